"""A number: ridge regression on standardised features, in closed form.

The strength of the penalty and how far features are standardised are chosen by the squared error on the
validation part; then the weights are fitted once more on both parts with the same penalty for each sample.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from threadpoolctl import threadpool_limits

from finetune.heads.linear import Head
from finetune.heads.scaler import POWERS, Doubles, Floats, Scaler, span

PENALTIES: Final = tuple(float(f"{10 ** (exponent / 2):.3g}") for exponent in range(-8, 9))  # 1e-4 .. 1e4


@dataclass(frozen=True, slots=True)
class Choice:
    """What was tried on the validation part, and how it did."""

    power: float
    penalty: float  # of the squared weights, for each sample, in units of the target's variance
    val_rmse: float  # root of the mean squared error on the validation part, in the target's unit
    unit: float  # standard deviation of the target on the train part


def fit(x: Floats, y: Doubles, x_val: Floats, y_val: Doubles) -> Head[Choice]:
    """Fit a head to `x` float32 [n,d], `y` float64 [n], choosing on `x_val` [m,d], `y_val` [m].

    The same arguments give the same head.

    Raises:
        DatasetError: every feature is constant.
    """
    # Three samples may well have one number in train.
    unit = float(y.std()) or 1.0
    with threadpool_limits(1, "blas"):
        choice = min(_choices(x, y, x_val, y_val, unit), key=lambda choice: choice.val_rmse)
        both, y_both = np.concatenate([x, x_val]), np.concatenate([y, y_val])
        scaler = Scaler.of(both, choice.power)
        _, weights = next(_path(scaler(both), y_both, (choice.penalty,)))
    return Head.folded("ridge", "Identity", scaler, weights[None], np.array([y_both.mean()]), choice)


def _choices(x: Floats, y: Doubles, x_val: Floats, y_val: Doubles, unit: float) -> Iterator[Choice]:
    for power in POWERS:
        scaler = Scaler.of(x, power)
        z_val = scaler(x_val)
        for penalty, weights in _path(scaler(x), y, PENALTIES):
            off = z_val @ weights + y.mean() - y_val
            yield Choice(power, penalty, float(np.sqrt((off**2).mean())), unit)


def _path(z: Doubles, y: Doubles, penalties: Sequence[float]) -> Iterator[tuple[float, Doubles]]:
    """Yield penalty and weights [d] for each penalty; `z` [n,d] has mean zero, so the bias is the mean of `y`."""
    basis = span(z)
    inner = z if basis is None else z @ basis
    values, vectors = np.linalg.eigh(inner.T @ inner / len(inner))
    pull = vectors.T @ (inner.T @ (y - y.mean())) / len(inner)
    for penalty in penalties:
        weights = vectors @ (pull / (np.maximum(values, 0) + penalty))
        yield penalty, weights if basis is None else basis @ weights
