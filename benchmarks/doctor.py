"""What the dataset doctor finds: planted label errors, and copies that were saved anew.

    python -m benchmarks.doctor          5 % of sample:mnist's labels flipped at random, three seeds
    python -m benchmarks.doctor near     cosines of altered copies, and of samples that are none
    python -m benchmarks.doctor speed    seconds for 5,000 to 20,000 made-up samples

Default trunks (int8). The features are extracted first where the cache lacks them; times are without that.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

from benchmarks.crops import make_crops
from finetune.data.builtin_datasets import REUTERS_R8 as REUTERS
from finetune.data.dataset import DataKind, Dataset, LabeledSample
from finetune.data.load import load_dataset
from finetune.doctor.cross_validation import SCALING_POWER, assign_folds
from finetune.doctor.duplicates import NEAR_DUPLICATE_COSINE
from finetune.doctor.examine import examine
from finetune.doctor.label_errors import calibrate_probabilities, find_class_errors
from finetune.features.extract import Features, extract_features
from finetune.head.standardize import Scaler
from finetune.plan import resolve_backbone
from graft.progress import SilentProgress
from graft.types import Float32Array
from zoo.trunks.trunk import Trunk

SEEDS = range(3)
SHARE = 0.05  # of the labels that are flipped
FIRST = 0.10  # of the ranking, in which they should be
STRENGTH = 1e-3  # C of the logistic regression it is compared to, the best of 1e-4 .. 1e-2
ALTERED = 150  # samples whose altered copies are looked at


def features_of(data: Dataset) -> Features:
    backbone = resolve_backbone("", data)
    return extract_features(Trunk.from_backbone(backbone, backbone.precision), data, 1.0, SilentProgress())


def planted(samples: tuple[LabeledSample, ...], seed: int) -> tuple[tuple[LabeledSample, ...], set[int]]:
    """Return the samples with some labels flipped to any other, and which those are."""
    random = np.random.default_rng(seed)
    labels = sorted({sample.label for sample in samples})
    rows = random.choice(len(samples), round(SHARE * len(samples)), replace=False)
    flipped = list(samples)
    for row in rows.tolist():
        others = [label for label in labels if label != samples[row].label]
        flipped[row] = dataclasses.replace(samples[row], label=str(random.choice(others)))
    return tuple(flipped), set(rows.tolist())


def errors() -> None:
    data = load_dataset("sample:mnist")
    clean = features_of(data)
    print(f"sample:mnist, {SHARE:.0%} of {len(clean.samples):,} labels flipped")
    for seed in SEEDS:
        samples, wrong = planted(clean.samples, seed)
        features = dataclasses.replace(clean, samples=samples)
        findings = examine(dataclasses.replace(data, samples=samples), features, SilentProgress())
        assert findings.label_errors
        print_ranking(
            f"seed {seed}  doctor  ",
            findings.label_errors.ranked_rows,
            {one.row for one in findings.label_errors.suspects},
            wrong,
        )
        print(
            f"    estimated {findings.label_errors.estimated_count}, all findings in {findings.seconds:.2f} s",
            flush=True,
        )
        logistic(seed, features, wrong)


def print_ranking(what: str, order: tuple[int, ...], findings: set[int], wrong: set[int]) -> None:
    first = set(order[: round(FIRST * len(order))])
    print(
        f"  {what}  {len(wrong & first) / len(wrong):.1%} of {len(wrong)} in the first {FIRST:.0%}; "
        f"called wrong {len(findings)}: precision {len(wrong & findings) / len(findings):.1%}, "
        f"recall {len(wrong & findings) / len(wrong):.1%}"
    )


def logistic(seed: int, features: Features, wrong: set[int]) -> None:
    """Rank with the answers of logistic regression instead of ridge regression."""
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    labels = sorted({sample.label for sample in features.samples})
    strata = [sample.label for sample in features.samples]
    y = np.array([labels.index(label) for label in strata])
    fold = assign_folds(strata, features.sha256)
    start = time.perf_counter()
    logits = np.empty((len(y), len(labels)), np.float32)
    with threadpool_limits(1, "blas"):
        z = Scaler.from_features(features.x, SCALING_POWER)(features.x)
        for f in range(fold.max() + 1):
            model = LogisticRegression(C=STRENGTH, max_iter=1000, tol=1e-3).fit(z[fold != f], y[fold != f])
            logits[fold == f] = model.decision_function(z[fold == f])
    seconds = time.perf_counter() - start
    findings = find_class_errors(calibrate_probabilities(logits, y), y, labels, np.arange(len(y)))
    print_ranking(f"seed {seed}  logistic", findings.ranked_rows, {one.row for one in findings.suspects}, wrong)
    print(f"    cross-validation in {seconds:.2f} s", flush=True)


def picture(change: Callable[[Image.Image], Image.Image], saved: str = "PNG", **how: int) -> Callable[[bytes], bytes]:
    def altered(data: bytes) -> bytes:
        file = io.BytesIO()
        change(Image.open(io.BytesIO(data)).convert("RGB")).save(file, saved, **how)
        return file.getvalue()

    return altered


def scaled(by: float) -> Callable[[Image.Image], Image.Image]:
    return lambda image: image.resize((round(image.width * by), round(image.height * by)), Image.Resampling.BILINEAR)


def cropped(image: Image.Image) -> Image.Image:
    edge = max(1, round(0.02 * image.width))
    return image.crop((edge, edge, image.width - edge, image.height - edge))


PICTURES = {
    "JPEG at quality 90": picture(lambda image: image, "JPEG", quality=90),
    "80 % of its size": picture(scaled(0.8)),
    "half its size": picture(scaled(0.5)),
    "twice its size": picture(scaled(2)),
    "cropped by 2 %": picture(cropped),
    "10 % brighter": picture(lambda image: ImageEnhance.Brightness(image).enhance(1.1)),
}
TEXTS: dict[str, Callable[[bytes], bytes]] = {
    "upper case": bytes.upper,
    "other blanks": lambda text: b"  " + text.replace(b" ", b"  ") + b"\n",
    "re: in front": lambda text: b"re: " + text,
    "its first 90 %": lambda text: text[: len(text) * 9 // 10],
    "its first half": lambda text: text[: len(text) // 2],
}


def cosines(name: str) -> None:
    data = load_dataset(name)
    x = features_of(data).x
    chosen = np.random.default_rng(0).choice(len(x), min(ALTERED, len(x)), replace=False).tolist()
    middle = x.mean(0)

    def unit(rows: Float32Array) -> Float32Array:
        away = rows - middle
        return np.asarray(away / np.linalg.norm(away, axis=1, keepdims=True), np.float32)

    u = unit(x)
    pairs = int((np.triu(u @ u.T, 1) >= NEAR_DUPLICATE_COSINE).sum())
    print(f"{name}: {pairs:,} pairs of {len(x):,} samples reach {NEAR_DUPLICATE_COSINE}")
    for what, change in (PICTURES if data.kind is DataKind.IMAGE else TEXTS).items():
        copies = tuple(LabeledSample(f"{row}", "x", None, change(data.samples[row].read())) for row in chosen)
        near = (unit(features_of(Dataset(name, copies, kind=data.kind)).x) * u[chosen]).sum(1)
        print(
            f"  {what:20}  {(near >= NEAR_DUPLICATE_COSINE).mean():4.0%} reach it, median {np.median(near):.3f}",
            flush=True,
        )


def speed() -> None:
    """Print the seconds of all findings for features that nobody extracted, of 1,280 numbers and ten classes."""
    for n in (5_000, 10_000, 20_000):
        random = np.random.default_rng(0)
        x = random.normal(size=(n, 1280)).astype(np.float32)
        samples = tuple(LabeledSample(str(row), str(row % 10), None, b"") for row in range(n))
        sha256 = tuple(hashlib.sha256(str(row).encode()).digest() for row in range(n))
        features = Features(samples, sha256, x, (), (), 0)
        print(
            f"{n:,} x 1,280: {examine(Dataset('made', samples), features, SilentProgress()).seconds:.1f} s", flush=True
        )


def main() -> None:
    """Measure and print."""
    match sys.argv[1:]:
        case []:
            errors()
        case ["near"]:
            with tempfile.TemporaryDirectory() as folder:
                for name in ("sample:mnist", "sample:digits", REUTERS, str(make_crops(Path(folder)))):
                    cosines(name)
        case ["speed"]:
            speed()
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main()
