"""Handwritten digits with their pixels as features, for the checks of the doctor."""

from __future__ import annotations

import hashlib
from functools import cache

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from finetune.data.dataset import Dataset, LabeledSample
from finetune.data.task import Task
from finetune.doctor.examine import examine
from finetune.doctor.findings import Findings
from finetune.features.extract import Features
from graft.progress import SilentProgress
from graft.types import Float32Array


@cache
def digit_features() -> tuple[Float32Array, NDArray[np.intp]]:
    """1,797 drawings of 64 pixels, float32 [n,64], and their classes, int [n]."""
    x, y = load_digits(return_X_y=True)
    return x.astype(np.float32), y.astype(np.intp)


def content_hashes(n: int) -> tuple[bytes, ...]:
    return tuple(hashlib.sha256(str(row).encode()).digest() for row in range(n))


def examine_features(
    x: Float32Array, labels: list[str], task: Task = Task.CLASSIFY, max_samples: int | None = None
) -> Findings:
    """The findings about samples with features `x` and `labels`."""
    samples = tuple(LabeledSample(str(row), label, None, b"") for row, label in enumerate(labels))
    features = Features(samples, content_hashes(len(x)), x, (), (), 0)
    return examine(Dataset("made", samples, task=task), features, SilentProgress(), max_samples)


def add_label_errors(y: NDArray[np.intp], share: float, seed: int) -> tuple[NDArray[np.intp], set[int]]:
    """The classes `y` int [n] with a share of them changed to another one, and the rows of these."""
    random = np.random.default_rng(seed)
    rows = random.choice(len(y), round(share * len(y)), replace=False)
    wrong = y.copy()
    wrong[rows] = (y[rows] + random.integers(1, 10, len(rows))) % 10
    return wrong, set(rows.tolist())
