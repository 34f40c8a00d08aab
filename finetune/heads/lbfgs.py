"""Weights that minimise a log loss and an L2 penalty, by L-BFGS; a chunk of the rows at a time.

The same problem as scikit-learn's LogisticRegression: mean log loss + |weights|² / (2 C n), the bias is free.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import fmin_l_bfgs_b
from scipy.special import expit

from finetune.heads.chunks import StandardizedFeatures, map_chunks
from finetune.heads.scaler import Float32Array, Float64Array

CANDIDATE_TOLERANCE, FINAL_TOLERANCE = 1e-4, 1e-5  # gradients at which it stops: of a candidate, of the head itself
LOSS_REDUCTION_FACTOR: Final = 1e3  # of the loss in one step, in units of the last digit, under which it stops as well

LogisticLink = Literal["Softmax", "Sigmoid"]
LossFunction = Callable[[Float64Array, NDArray[Any]], tuple[Float64Array, Float64Array]]


def minimize_log_loss(
    z: StandardizedFeatures,
    y: NDArray[Any],
    initial: Float64Array,
    *,
    link: LogisticLink,
    strength: float,
    sample_weights: Float32Array | None = None,
    tolerance: float,
    max_steps: int,
) -> Float64Array:
    """Return weights and bias, [k,e+1], found from `initial`, float64 [k,e+1].

    `z` [n,e]; `y` int [n] for Softmax, 0/1 [n,k] for Sigmoid; `strength` is C; `sample_weights` [n] of the samples.
    """
    n, d = z.shape
    total = n if sample_weights is None else float(sample_weights.sum(dtype=np.float64))
    penalty = 1 / (strength * total)
    losses = _LOSS_FUNCTIONS[link]

    def loss(flat: Float64Array) -> tuple[float, Float64Array]:
        w = flat.reshape(initial.shape)
        turned = w[:, :d].T.astype(np.float32)

        def look(rows: slice, piece: Float32Array) -> tuple[float, Float64Array]:
            value, off = losses(piece @ turned + w[:, d], y[rows])
            if sample_weights is not None:
                value, off = value * sample_weights[rows, None], off * sample_weights[rows, None]
            off = off / total  # [c,k]
            slope = off.T.astype(np.float32) @ piece
            return float(value.sum()), np.hstack([slope, off.sum(0)[:, None]])

        value, gradient = 0.0, np.zeros_like(initial)
        for one, slope in map_chunks(z, look):
            value, gradient = value + one, gradient + slope
        gradient[:, :d] += penalty * w[:, :d]
        return float(value / total + penalty / 2 * (w[:, :d] ** 2).sum()), gradient.ravel()

    solution, _, _ = fmin_l_bfgs_b(
        loss, initial.ravel(), maxiter=max_steps, pgtol=tolerance, factr=LOSS_REDUCTION_FACTOR
    )
    return np.asarray(solution).reshape(initial.shape)


def _sigmoid_loss(logits: Float64Array, y: NDArray[Any]) -> tuple[Float64Array, Float64Array]:
    """Return the losses [c,k], and how far the answers are off [c,k]."""
    return np.logaddexp(0, logits) - y * logits, expit(logits) - y


def _softmax_loss(logits: Float64Array, y: NDArray[Any]) -> tuple[Float64Array, Float64Array]:
    """Return the losses [c,1], and how far the answers are off [c,k]."""
    row = np.arange(len(y))
    shifted = logits - logits.max(1, keepdims=True)
    off = np.exp(shifted)
    whole = off.sum(1, keepdims=True)
    off /= whole
    off[row, y] -= 1
    return np.log(whole) - shifted[row, y][:, None], off


_LOSS_FUNCTIONS: Final[dict[LogisticLink, LossFunction]] = {"Sigmoid": _sigmoid_loss, "Softmax": _softmax_loss}
