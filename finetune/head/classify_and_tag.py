"""Classes: multinomial logistic regression, its probabilities calibrated by one temperature on the validation part.

(Guo et al. 2017, "On calibration of modern neural networks".) The test part measures what the final head, fitted to
train and validation, makes of that temperature (`benchmarks/finetune.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from finetune.head import logistic
from finetune.head.fit_data import Grid
from finetune.head.logistic import LogisticFitter
from finetune.head.standardize import SCALING_POWERS
from finetune.head.temperature import fit_temperature
from graft.types import Float32Array, Float64Array, IndexArray

CLASSIFY_STRENGTHS: Final = tuple(float(f"{10 ** (exponent / 2):.3g}") for exponent in range(-8, 5))  # 1e-4 .. 100
CLASSIFY_GRID: Final = Grid(SCALING_POWERS, CLASSIFY_STRENGTHS)


@dataclass(frozen=True, slots=True)
class ClassifyChoice(logistic.LogisticChoice):
    """What was tried on the validation part, and how it did."""

    val_macro_f1: float = 0.0  # of the likeliest classes, over the classes that are there or were said


def mean_class_weights(y: IndexArray, weights: Float32Array) -> Float32Array:
    """Return the mean weight of each class, float32 [k], of `weights` [n] of samples of the classes `y` [n]."""
    means = np.bincount(y, weights) / np.maximum(np.bincount(y), 1)
    return means.astype(np.float32)


def macro_f1(predictions: IndexArray, y: IndexArray) -> float:
    """Return the mean F1 of the classes that are among `predictions` [m] or the truth `y` [m]."""
    k = int(max(predictions.max(), y.max())) + 1
    hits = np.bincount(y[predictions == y], minlength=k)
    both = np.bincount(y, minlength=k) + np.bincount(predictions, minlength=k)
    return float((2 * hits[both > 0] / both[both > 0]).mean())


def _evaluate_candidate(power: float, strength: float, logits: Float64Array, y: IndexArray) -> ClassifyChoice:
    temperature, loss = fit_temperature(logits, y)
    return ClassifyChoice(power, strength, temperature, loss, macro_f1(logits.argmax(1), y))


# Every class 0..k-1 must be among the targets, int [n].
CLASS_FITTER: Final = LogisticFitter(
    "logistic",
    "Softmax",
    CLASSIFY_GRID,
    np.bincount,
    _evaluate_candidate,
    lambda y, weights, others: mean_class_weights(y, weights)[others],
)
choose, refit = CLASS_FITTER.choose, CLASS_FITTER.refit
