"""What int8 costs and gains, with a backbone's real weights: cosine, probe accuracy, size, time.

    python -m benchmarks.int8 [NAME]

Accuracy is that of a logistic regression on the standardised features of 311 JPEG crops of 12
pseudo-classes (`benchmarks.crops`), each trunk with a probe of its own: 20 stratified splits
60/40, seeds 0 to 19, the same for both; the probe's strength is fixed beforehand.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.crops import make_crops
from graft.inputs.image import ImageInput
from graft.progress.terminal import TerminalProgress
from zoo.catalog.backbone import DEFAULT_IMAGE_BACKBONE, Precision
from zoo.catalog.find import get_backbone
from zoo.convert.int8_image import centred_cosine
from zoo.trunks.trunk import Trunk

SEEDS = range(20)
STRENGTH = 1e-2


def main() -> None:
    """Print one line per precision."""
    backbone = get_backbone(sys.argv[1] if len(sys.argv) > 1 else DEFAULT_IMAGE_BACKBONE)
    with tempfile.TemporaryDirectory() as folder:
        files = sorted(make_crops(Path(folder)).glob("*/*.jpg"))
        pictures = np.stack([ImageInput(224)(file.read_bytes()) for file in files])
    classes = np.array([file.parent.name for file in files])
    print(f"{backbone.name}: {len(files)} JPEGs, {len(set(classes))} classes, {len(SEEDS)} splits 60/40")
    features = {}
    for precision in Precision:
        trunk = Trunk.from_backbone(backbone, precision, TerminalProgress())
        features[precision], pace = extracted(trunk, pictures)
        scores = [accuracy(features[precision], classes, seed) for seed in SEEDS]
        off = np.std(scores, ddof=1) / len(scores) ** 0.5
        print(
            f"{precision}: test accuracy {np.mean(scores):.1%} (standard error {off:.1%}), "
            f"{trunk.path.stat().st_size / 1e6:.1f} MB, {pace:.2f} ms/image on one thread, batch 4"
        )
    cosines = centred_cosine(features[Precision.FP32], features[Precision.INT8])
    print(f"mean-centred cosine of int8 to fp32: mean {cosines.mean():.4f}, lowest {cosines.min():.4f}")


def extracted(trunk: Trunk, pictures: NDArray[np.uint8]) -> tuple[NDArray[np.float32], float]:
    """Return the features [n,d] of pictures [n,s,s,3], and the milliseconds that each took."""
    trunk({"image": pictures[:4]})
    start = time.perf_counter()
    parts = [trunk({"image": pictures[at : at + 4]}) for at in range(0, len(pictures), 4)]
    return np.concatenate(parts), (time.perf_counter() - start) / len(pictures) * 1e3


def accuracy(features: NDArray[np.float32], classes: NDArray[np.str_], seed: int) -> float:
    """Return the test accuracy of a probe on one split."""
    fit, test, fit_y, test_y = train_test_split(features, classes, test_size=0.4, stratify=classes, random_state=seed)
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH, max_iter=300, tol=1e-3))
    return float(probe.fit(fit, fit_y).score(test, test_y))


if __name__ == "__main__":
    main()
