"""Classes: multinomial logistic regression, its probabilities calibrated by one temperature on the validation part.

(Guo et al. 2017, "On calibration of modern neural networks".) The test part measures what the final head, fitted to
train and validation, makes of that temperature (`benchmarks/finetune.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from finetune.heads import logistic
from finetune.heads.grid import Grid
from finetune.heads.logistic import Logistic
from finetune.heads.scaler import POWERS, Doubles, Floats
from finetune.heads.temperature import fit_temperature

Labels = NDArray[np.intp]

STRENGTHS: Final = tuple(float(f"{10 ** (exponent / 2):.3g}") for exponent in range(-8, 5))  # 1e-4 .. 100
GRID: Final = Grid(POWERS, STRENGTHS)


@dataclass(frozen=True, slots=True)
class Choice(logistic.Choice):
    """What was tried on the validation part, and how it did."""

    val_macro_f1: float = 0.0  # of the likeliest classes, over the classes that are there or were said


def weights_of(y: Labels, weights: Floats) -> Floats:
    """Return the mean weight of each class, float32 [k], of `weights` [n] of samples of the classes `y` [n]."""
    means = np.bincount(y, weights) / np.maximum(np.bincount(y), 1)
    return means.astype(np.float32)


def macro_f1(answers: Labels, y: Labels) -> float:
    """Return the mean F1 of the classes that are among `answers` [m] or the truth `y` [m]."""
    k = int(max(answers.max(), y.max())) + 1
    hits = np.bincount(y[answers == y], minlength=k)
    both = np.bincount(y, minlength=k) + np.bincount(answers, minlength=k)
    return float((2 * hits[both > 0] / both[both > 0]).mean())


def _judged(power: float, strength: float, logits: Doubles, y: Labels) -> Choice:
    temperature, loss = fit_temperature(logits, y)
    return Choice(power, strength, temperature, loss, macro_f1(logits.argmax(1), y))


# Every class 0..k-1 must be among the targets, int [n].
LOGISTIC: Final = Logistic(
    "logistic", "Softmax", GRID, np.bincount, _judged, lambda y, weights, others: weights_of(y, weights)[others]
)
choose, refit = LOGISTIC.choose, LOGISTIC.refit
