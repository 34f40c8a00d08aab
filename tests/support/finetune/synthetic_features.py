"""Synthetic features with labels, tags and numbers that depend on them, for tests of heads."""

import numpy as np

from finetune.data.task import Task
from graft.runtime.session import open_session
from tests.support.fakes import OPSET


def gaussian_clusters(n: int = 240, d: int = 12, k: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Overlapping clusters far from zero, of very different widths, one feature constant and one nearly so."""
    random = np.random.default_rng(seed)
    y = np.arange(n) % k
    # The same centres for every seed: train and validation come from the same distribution.
    centres = np.random.default_rng(99).normal(size=(k, d))
    x = (centres[y] + random.normal(size=(n, d))) * np.logspace(-2, 1, d) + 3
    x[:, 3] = 7
    x[:, 4] = 5 + 1e-7 * random.normal(size=n)
    return x.astype(np.float32), y


def linear_targets(n: int, d: int = 12, k: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, tags and a number that depend on them by the same rule for every seed."""
    rule = np.random.default_rng(99).normal(size=(d, k + 1))
    random = np.random.default_rng(seed)
    z = random.normal(size=(n, d))
    targets = z @ rule + random.normal(size=(n, k + 1))
    x = (z * np.logspace(-1, 1, d) + 3).astype(np.float32)
    return x, targets[:, :k] > 1, 100 + 20 * targets[:, k]


def train_and_val(task: Task, k: int = 3) -> tuple[np.ndarray, ...]:
    """Return x and y of 900 training samples, then of 330 validation samples."""
    if task is Task.CLASSIFY:
        return (*gaussian_clusters(900, 12, k), *gaussian_clusters(330, 12, k, seed=1))
    (x, tags, number), (x_val, tags_val, number_val) = linear_targets(900), linear_targets(330, seed=1)
    return (x, tags, x_val, tags_val) if task is Task.TAG else (x, number, x_val, number_val)


def head_scores(head, x: np.ndarray) -> np.ndarray:
    """Return the scores of a head for features `x` [n,d], from its ONNX file."""
    return open_session(head.to_onnx(OPSET, 8)).run(None, {"features": x})[0]
