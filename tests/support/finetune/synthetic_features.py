import numpy as np


def clouds(n: int = 240, d: int = 12, k: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Overlapping clouds far from zero, of very different widths, one feature constant and one nearly so."""
    random = np.random.default_rng(seed)
    y = np.arange(n) % k
    # The same centres for every seed: train and validation are drawn from one world.
    centres = np.random.default_rng(99).normal(size=(k, d))
    x = (centres[y] + random.normal(size=(n, d))) * np.logspace(-2, 1, d) + 3
    x[:, 3] = 7
    x[:, 4] = 5 + 1e-7 * random.normal(size=n)
    return x.astype(np.float32), y


def world(n: int, d: int = 12, k: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, tags and a number that depend on them by the same rule for every seed."""
    rule = np.random.default_rng(99).normal(size=(d, k + 1))
    random = np.random.default_rng(seed)
    z = random.normal(size=(n, d))
    said = z @ rule + random.normal(size=(n, k + 1))
    x = (z * np.logspace(-1, 1, d) + 3).astype(np.float32)
    return x, said[:, :k] > 1, 100 + 20 * said[:, k]
