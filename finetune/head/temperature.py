"""One number that makes probabilities honest (Guo et al. 2017, "On calibration of modern neural networks")."""

from __future__ import annotations

import numpy as np

from graft.types import Float64Array, IndexArray


def fit_temperature(logits: Float64Array, y: IndexArray) -> tuple[float, float]:
    """Return the temperature that suits `logits` [n,k] to the labels `y` [n] best, and the log loss it leaves.

    The targets are softened by one part in n+1, after Platt (1999): where every answer is right, a plain
    fit would make the head infinitely sure of itself. The loss is convex in 1/temperature: bisection.
    """
    n, k = logits.shape
    soft = 1 / (n + 1)
    targets = np.full((n, k), soft / k)
    targets[np.arange(n), y] += 1 - soft
    low, high = -4.0, 4.0  # logarithm of 1/temperature
    while high - low > 1e-6:
        middle = (low + high) / 2
        slope = ((np.exp(_log_softmax(logits * np.exp(middle))) - targets) * logits).sum()
        low, high = (middle, high) if slope < 0 else (low, middle)
    loss = -(targets * _log_softmax(logits * np.exp(low))).sum() / n
    return float(np.exp(-low)), float(loss)


def _log_softmax(logits: Float64Array) -> Float64Array:
    """Return the logarithms of softmax over the rows of `logits` [n,k]."""
    shifted = logits - logits.max(1, keepdims=True)
    logs: Float64Array = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    return logs
