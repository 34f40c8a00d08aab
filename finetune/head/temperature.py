"""Temperature scaling: one number, fitted on the validation part, that calibrates probabilities (Guo et al. 2017)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from graft.types import Float64Array

MAX_LOG_TEMPERATURE: Final = 4.0  # temperatures are searched from e^-4 to e^4
LOG_TEMPERATURE_TOLERANCE: Final = 1e-6


def fit_temperature(logits: Float64Array, y: NDArray[Any]) -> tuple[float, float]:
    """Return the temperature that calibrates `logits` best, and the log loss at that temperature.

    Targets are smoothed by one part in n+1, after Platt (1999): where every answer is right, a fit to hard targets
    would make probabilities of 0 and 1. The loss is convex in 1/temperature, so the minimum is found by bisection.

    Args:
        logits: float64 [n,k].
        y: the truth: int [n] for classes (softmax), bool [n,k] for tags (sigmoid; the loss is the mean over all tags).

    >>> logits = np.array([[4.0, 0.0], [0.0, 4.0], [4.0, 0.0], [4.0, 0.0]])
    >>> temperature, loss = fit_temperature(logits, np.array([0, 1, 0, 1]))  # sure of 4 answers, 1 of them wrong
    >>> temperature > 1
    True
    """
    if y.ndim == 1:
        targets = _smooth_classes(y, logits.shape[1])
        log_temperature = _bisect(logits, targets, lambda scaled: np.exp(_log_softmax(scaled)))
        loss = -(targets * _log_softmax(logits * np.exp(-log_temperature))).sum() / len(y)
    else:
        targets = _smooth_tags(y)
        log_temperature = _bisect(logits, targets, expit)
        scaled = logits * np.exp(-log_temperature)
        loss = (np.logaddexp(0, scaled) - targets * scaled).mean()
    return float(np.exp(log_temperature)), float(loss)


def _bisect(
    logits: Float64Array, targets: Float64Array, probabilities: Callable[[Float64Array], Float64Array]
) -> float:
    """Return the logarithm of the temperature at which the slope of the log loss is zero."""
    low, high = -MAX_LOG_TEMPERATURE, MAX_LOG_TEMPERATURE  # logarithms of 1/temperature
    while high - low > LOG_TEMPERATURE_TOLERANCE:
        middle = (low + high) / 2
        slope = ((probabilities(logits * np.exp(middle)) - targets) * logits).sum()
        low, high = (middle, high) if slope < 0 else (low, middle)
    return -low


def _smooth_classes(y: NDArray[Any], k: int) -> Float64Array:
    """Return one-hot targets of the classes `y` int [n], smoothed, float64 [n,k]."""
    n = len(y)
    smoothing = 1 / (n + 1)
    targets = np.full((n, k), smoothing / k)
    targets[np.arange(n), y] += 1 - smoothing
    return targets


def _smooth_tags(y: NDArray[Any]) -> Float64Array:
    """Return the tags `y` bool [n,k], smoothed, float64 [n,k]."""
    smoothing = 1 / (len(y) + 1)
    targets: Float64Array = y * (1 - smoothing) + smoothing / 2
    return targets


def _log_softmax(logits: Float64Array) -> Float64Array:
    """Return the logarithm of the softmax over each row of `logits` [n,k]."""
    shifted = logits - logits.max(1, keepdims=True)
    logs: Float64Array = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    return logs
