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

from finetune.heads.chunks import Standardised, over
from finetune.heads.scaler import Doubles, Floats

ROUGH, FINE = 1e-4, 1e-5  # gradients at which it stops: of a candidate, of the head itself
REDUCTION: Final = 1e3  # of the loss in one step, in units of the last digit, under which it stops as well

Link = Literal["Softmax", "Sigmoid"]
Losses = Callable[[Doubles, NDArray[Any]], tuple[Doubles, Doubles]]


def minimum(
    z: Standardised,
    y: NDArray[Any],
    start: Doubles,
    *,
    link: Link,
    strength: float,
    weights: Floats | None = None,
    tolerance: float,
    steps: int,
) -> Doubles:
    """Return weights and bias, [k,e+1], found from `start`, float64 [k,e+1].

    `z` [n,e]; `y` int [n] for Softmax, 0/1 [n,k] for Sigmoid; `strength` is C; `weights` [n] of the samples.
    """
    n, d = z.shape
    total = n if weights is None else float(weights.sum(dtype=np.float64))
    penalty = 1 / (strength * total)
    losses = _LOSSES[link]

    def loss(flat: Doubles) -> tuple[float, Doubles]:
        w = flat.reshape(start.shape)
        turned = w[:, :d].T.astype(np.float32)

        def look(rows: slice, piece: Floats) -> tuple[float, Doubles]:
            value, off = losses(piece @ turned + w[:, d], y[rows])
            if weights is not None:
                value, off = value * weights[rows, None], off * weights[rows, None]
            off = off / total  # [c,k]
            slope = off.T.astype(np.float32) @ piece
            return float(value.sum()), np.hstack([slope, off.sum(0)[:, None]])

        value, gradient = 0.0, np.zeros_like(start)
        for one, slope in over(z, look):
            value, gradient = value + one, gradient + slope
        gradient[:, :d] += penalty * w[:, :d]
        return float(value / total + penalty / 2 * (w[:, :d] ** 2).sum()), gradient.ravel()

    found, _, _ = fmin_l_bfgs_b(loss, start.ravel(), maxiter=steps, pgtol=tolerance, factr=REDUCTION)
    return np.asarray(found).reshape(start.shape)


def _sigmoid(logits: Doubles, y: NDArray[Any]) -> tuple[Doubles, Doubles]:
    """Return the losses [c,k], and how far the answers are off [c,k]."""
    return np.logaddexp(0, logits) - y * logits, expit(logits) - y


def _softmax(logits: Doubles, y: NDArray[Any]) -> tuple[Doubles, Doubles]:
    """Return the losses [c,1], and how far the answers are off [c,k]."""
    row = np.arange(len(y))
    shifted = logits - logits.max(1, keepdims=True)
    off = np.exp(shifted)
    whole = off.sum(1, keepdims=True)
    off /= whole
    off[row, y] -= 1
    return np.log(whole) - shifted[row, y][:, None], off


_LOSSES: Final[dict[Link, Losses]] = {"Sigmoid": _sigmoid, "Softmax": _softmax}
