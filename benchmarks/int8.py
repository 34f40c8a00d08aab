"""What int8 costs and gains, with a backbone's real weights: cosine, probe accuracy, size, time.

    python -m benchmarks.int8 [NAME]

Accuracy is that of a logistic regression on the features of 311 JPEG crops of 12 pseudo-classes
(`benchmarks.photos`), each trunk with a probe of its own. Five splits, seeds 0 to 4, stratified
60/20/20; the probe's strength is chosen on the validation part, the test part is read once.
"""

from __future__ import annotations

import sys
import time

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.photos import samples
from zoo.backbone import DEFAULT, Precision, get
from zoo.inputs import ImageInput
from zoo.progress import Terminal
from zoo.quantize import centred_cosine
from zoo.trunk import Trunk

SEEDS = range(5)
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)


def main() -> None:
    """Print one line per precision."""
    backbone = get(sys.argv[1] if len(sys.argv) > 1 else DEFAULT)
    files, labels = zip(*samples(), strict=True)
    pictures = np.stack([ImageInput(backbone.size)(file) for file in files])
    classes = np.array(labels)
    print(
        f"{backbone.name}: {len(files)} JPEGs, {len(set(labels))} classes, seeds {min(SEEDS)} to {max(SEEDS)}, 60/20/20"
    )
    features = {}
    for precision in Precision:
        trunk = Trunk.of(backbone, precision, Terminal())
        features[precision], pace = extracted(trunk, pictures)
        scores = [accuracy(features[precision], classes, seed) for seed in SEEDS]
        print(
            f"{precision}: test accuracy {np.mean(scores):.1%} (each {', '.join(f'{s:.1%}' for s in scores)}), "
            f"{trunk.path.stat().st_size / 1e6:.1f} MB, {pace:.2f} ms/image on one thread, batch 4"
        )
    cosines = centred_cosine(features[Precision.FP32], features[Precision.INT8])
    print(f"mean-centred cosine of int8 to fp32: mean {cosines.mean():.4f}, lowest {cosines.min():.4f}")


def extracted(trunk: Trunk, pictures: NDArray[np.uint8]) -> tuple[NDArray[np.float32], float]:
    """Return the features [n,d] of pictures [n,s,s,3], and the milliseconds that each took."""
    trunk(pictures[:4])
    began = time.perf_counter()
    parts = [trunk(pictures[at : at + 4]) for at in range(0, len(pictures), 4)]
    return np.concatenate(parts), (time.perf_counter() - began) / len(pictures) * 1e3


def accuracy(features: NDArray[np.float32], classes: NDArray[np.str_], seed: int) -> float:
    """Return the test accuracy of a probe whose strength the validation part chose."""
    fit, rest, fit_y, rest_y = train_test_split(features, classes, test_size=0.4, stratify=classes, random_state=seed)
    val, test, val_y, test_y = train_test_split(rest, rest_y, test_size=0.5, stratify=rest_y, random_state=seed)
    probes = [
        make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=2000)).fit(fit, fit_y) for c in STRENGTHS
    ]
    best = max(probes, key=lambda probe: probe.score(val, val_y))
    return float(best.score(test, test_y))


if __name__ == "__main__":
    main()
