"""Tags: one-vs-rest logistic regression, all tags in one fit with one strength and one temperature.

The thresholds are chosen on the validation part as well, for each tag the one of the best F1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import expit

from finetune.head import logistic
from finetune.head.fit_data import Grid
from finetune.head.logistic import LogisticFitter
from finetune.head.standardize import SCALING_POWERS
from graft.types import BoolArray, Float64Array

TAG_STRENGTHS: Final = tuple(10.0**exponent for exponent in range(-4, 3))
TAG_GRID: Final = Grid(SCALING_POWERS, TAG_STRENGTHS)
MIN_THRESHOLD, MAX_THRESHOLD = 0.05, 0.95  # of a threshold: few validation samples must not drive it to an end


@dataclass(frozen=True, slots=True)
class TagChoice(logistic.LogisticChoice):
    """What was tried on the validation part, and how it did."""

    thresholds: tuple[float, ...]  # [k], probabilities from which on a tag is given


def fit_tag_temperature(logits: Float64Array, y: BoolArray) -> tuple[float, float]:
    """Return the temperature that suits `logits` [n,k] to the tags `y` [n,k] best, and the log loss it leaves.

    Targets are softened by one part in n+1, after Platt (1999). The loss is convex in 1/temperature: bisection.
    """
    soft = 1 / (len(y) + 1)
    truth = y * (1 - soft) + soft / 2
    low, high = -4.0, 4.0  # logarithm of 1/temperature
    while high - low > 1e-6:
        middle = (low + high) / 2
        slope = ((expit(logits * np.exp(middle)) - truth) * logits).sum()
        low, high = (middle, high) if slope < 0 else (low, middle)
    scaled = logits * np.exp(low)
    return float(np.exp(-low)), float((np.logaddexp(0, scaled) - truth * scaled).mean())


def best_f1_thresholds(scores: Float64Array, y: BoolArray) -> Iterator[float]:
    """Yield for each tag the threshold of the best F1 on `scores` [n,k] and `y` [n,k]; 0.5 where no sample has it."""
    for column, truth in zip(scores.T, y.T, strict=True):
        if not truth.any():
            yield 0.5
            continue
        order = np.argsort(-column, kind="stable")
        ranked, hits = column[order], np.cumsum(truth[order])
        f1 = 2 * hits / (np.arange(1, len(ranked) + 1) + truth.sum())
        below = np.append(ranked[1:], 0.0)
        # Equal scores are answered alike: only between different ones can a threshold stand.
        best = int(np.where(below < ranked, f1, -1.0).argmax())
        yield float(np.clip((ranked[best] + below[best]) / 2, MIN_THRESHOLD, MAX_THRESHOLD))


def _evaluate_candidate(power: float, strength: float, logits: Float64Array, y: BoolArray) -> TagChoice:
    temperature, loss = fit_tag_temperature(logits, y)
    return TagChoice(power, strength, temperature, loss, tuple(best_f1_thresholds(expit(logits / temperature), y)))


TAG_FITTER: Final = LogisticFitter(
    "one-vs-rest logistic",
    "Sigmoid",
    TAG_GRID,
    lambda y: y.sum(0),
    _evaluate_candidate,
    lambda y, weights, others: np.ones(len(others), np.float32),
)
choose, refit = TAG_FITTER.choose, TAG_FITTER.refit
