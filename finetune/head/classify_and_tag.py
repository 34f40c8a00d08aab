"""Heads of classes (multinomial logistic regression) and of tags (one-vs-rest logistic regression).

Both are calibrated by one temperature, fitted on the validation part (`finetune.head.temperature`). All tags share one
fit, one strength and one temperature; each tag has a threshold of its own, the one with the best F1 on the validation
part.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from finetune.head import Grid
from finetune.head.logistic import LogisticChoice, LogisticFitter
from finetune.head.standardize import SCALING_POWERS
from finetune.head.temperature import fit_temperature
from graft.types import BoolArray, Float32Array, Float64Array, IndexArray

CLASSIFY_STRENGTHS: Final = tuple(float(f"{10 ** (exponent / 2):.3g}") for exponent in range(-8, 5))  # 1e-4 .. 100
TAG_STRENGTHS: Final = tuple(10.0**exponent for exponent in range(-4, 3))
MIN_THRESHOLD, MAX_THRESHOLD = 0.05, 0.95  # of a tag: few validation samples must not drive a threshold to 0 or 1


@dataclass(frozen=True, slots=True)
class ClassifyChoice(LogisticChoice):
    """Hyper-parameters of a head of classes, with their results on the validation part."""

    val_macro_f1: float = 0.0  # over the classes that occur in the validation part or were predicted there


class ClassifyFitter(LogisticFitter[ClassifyChoice]):
    """Multinomial logistic regression: targets int [n]; each class 0..k-1 must occur among them."""

    kind = "logistic"
    link = "Softmax"
    grid = Grid(SCALING_POWERS, CLASSIFY_STRENGTHS)

    def count_targets(self, y: IndexArray) -> NDArray[np.integer[Any]]:
        """Return how many samples each class has, int [k]."""
        return np.bincount(y)

    def evaluate(self, power: float, strength: float, logits: Float64Array, y: IndexArray) -> ClassifyChoice:
        """Return the choice of `power` and `strength`, whose validation logits are `logits` [m,k]."""
        temperature, loss = fit_temperature(logits, y)
        return ClassifyChoice(power, strength, temperature, loss, macro_f1(logits.argmax(1), y))

    def validation_weights(self, y: IndexArray, weights: Float32Array, y_val: IndexArray) -> Float32Array:
        """Return how much each validation sample counts, float32 [m]: as the train samples of its class on average."""
        return mean_class_weights(y, weights)[y_val]


@dataclass(frozen=True, slots=True)
class TagChoice(LogisticChoice):
    """Hyper-parameters of a head of tags, with their results on the validation part."""

    thresholds: tuple[float, ...]  # [k], probabilities from which on a tag is predicted


class TagFitter(LogisticFitter[TagChoice]):
    """One-vs-rest logistic regression: targets bool [n,k]."""

    kind = "one-vs-rest logistic"
    link = "Sigmoid"
    grid = Grid(SCALING_POWERS, TAG_STRENGTHS)

    def count_targets(self, y: BoolArray) -> NDArray[np.integer[Any]]:
        """Return how many samples each tag has, int [k]."""
        counts: NDArray[np.integer[Any]] = y.sum(0)
        return counts

    def evaluate(self, power: float, strength: float, logits: Float64Array, y: BoolArray) -> TagChoice:
        """Return the choice of `power` and `strength`, whose validation logits are `logits` [m,k]."""
        temperature, loss = fit_temperature(logits, y)
        return TagChoice(power, strength, temperature, loss, tuple(best_f1_thresholds(expit(logits / temperature), y)))

    def validation_weights(self, y: BoolArray, weights: Float32Array, y_val: BoolArray) -> Float32Array:
        """Return how much each validation sample counts, float32 [m]: 1."""
        return np.ones(len(y_val), np.float32)


def macro_f1(predictions: IndexArray, y: IndexArray) -> float:
    """Return the mean F1 of the classes that occur among the `predictions` int [m] or the truth `y` int [m].

    >>> macro_f1(np.array([0, 0, 1]), np.array([0, 1, 1]))
    0.6666666666666666
    """
    k = int(max(predictions.max(), y.max())) + 1
    hits = np.bincount(y[predictions == y], minlength=k)
    both = np.bincount(y, minlength=k) + np.bincount(predictions, minlength=k)
    return float((2 * hits[both > 0] / both[both > 0]).mean())


def mean_class_weights(y: IndexArray, weights: Float32Array) -> Float32Array:
    """Return the mean weight of each class, float32 [k]; `weights` [n] are those of samples of the classes `y` [n]."""
    means = np.bincount(y, weights) / np.maximum(np.bincount(y), 1)
    return means.astype(np.float32)


def best_f1_thresholds(scores: Float64Array, y: BoolArray) -> Iterator[float]:
    """Yield for each tag the threshold with the best F1 on `scores` [n,k] and `y` [n,k]; 0.5 where no sample has it."""
    for column, truth in zip(scores.T, y.T, strict=True):
        if not truth.any():
            yield 0.5
            continue
        order = np.argsort(-column, kind="stable")
        ranked, hits = column[order], np.cumsum(truth[order])
        f1 = 2 * hits / (np.arange(1, len(ranked) + 1) + truth.sum())
        below = np.append(ranked[1:], 0.0)
        # No threshold can separate equal scores, so only places between different ones are compared.
        best = int(np.where(below < ranked, f1, -1.0).argmax())
        yield float(np.clip((ranked[best] + below[best]) / 2, MIN_THRESHOLD, MAX_THRESHOLD))
