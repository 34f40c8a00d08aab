"""Classes: multinomial logistic regression on standardised features.

Everything is chosen on the validation part: the strength C of the L2 penalty and how far features are
standardised by the log loss that remains after temperature scaling, then the temperature itself (Guo et
al. 2017, "On calibration of modern neural networks").

At last the weights are fitted once more, on train and validation together, with the same penalty for
each sample. The temperature stays what it was: it was fitted to answers about samples that its head had
not seen, and the test part measures what the final head makes of it (`benchmarks/finetune.py`).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from finetune.heads.linear import Head
from finetune.heads.scaler import POWERS, Doubles, Floats, Scaler, span
from finetune.heads.temperature import fit_temperature

Labels = NDArray[np.intp]

STRENGTHS: Final = tuple(float(f"{10 ** (exponent / 2):.3g}") for exponent in range(-8, 5))  # 1e-4 .. 100
MAX_STEPS: Final = 1000  # of L-BFGS
ROUGH, FINE = 1e-4, 1e-5  # gradients at which L-BFGS stops: of a candidate, of the head itself


@dataclass(frozen=True, slots=True)
class Choice:
    """What was tried on the validation part, and how it did."""

    power: float  # of the deviation that features were divided by: 1 standardised, 0.5 halfway
    strength: float  # C, the inverse of the L2 penalty
    temperature: float
    val_loss: float  # log loss on the validation part, after temperature


def fit(x: Floats, y: Labels, x_val: Floats, y_val: Labels) -> Head[Choice]:
    """Fit a head to `x` float32 [n,d], `y` [n], choosing on `x_val` [m,d], `y_val` [m].

    Every class 0..k-1 must be among `y`. The same arguments give the same head: sums run on one thread,
    so that they do not depend on the number of cores.

    Raises:
        DatasetError: every feature is constant.
    """
    with threadpool_limits(1, "blas"), warnings.catch_warnings():
        # An unfinished fit is a candidate like any other; validation judges it.
        warnings.simplefilter("ignore", ConvergenceWarning)
        choice = min(_choices(x, y, x_val, y_val), key=lambda choice: choice.val_loss)
        scaler = Scaler.of(np.concatenate([x, x_val]), choice.power)
        share = len(x) / (len(x) + len(x_val))
        z, both = scaler(np.concatenate([x, x_val])), np.concatenate([y, y_val])
        _, weights, bias = next(_path(z, both, (choice.strength * share,), FINE))
    cool = choice.temperature
    return Head.folded("logistic", "Softmax", scaler, weights / cool, bias / cool, choice)


def _choices(x: Floats, y: Labels, x_val: Floats, y_val: Labels) -> Iterator[Choice]:
    for power in POWERS:
        scaler = Scaler.of(x, power)
        z_val = scaler(x_val)
        for strength, weights, bias in _path(scaler(x), y, STRENGTHS, ROUGH):
            temperature, loss = fit_temperature(z_val @ weights.T + bias, y_val)
            yield Choice(power, strength, temperature, loss)


def _path(
    z: Doubles, y: Labels, strengths: Sequence[float], tolerance: float
) -> Iterator[tuple[float, Doubles, Doubles]]:
    """Yield strength, weights [k,d] and bias [k] of a head for each strength, each started from the last."""
    basis = span(z)
    inner = z if basis is None else z @ basis
    model = LogisticRegression(warm_start=True, max_iter=MAX_STEPS, tol=tolerance)
    for strength in strengths:
        model.C = strength
        model.fit(inner, y)
        weights = model.coef_ if basis is None else model.coef_ @ basis.T
        bias = model.intercept_
        if len(weights) == 1:  # two classes: sklearn keeps one row, the logit of the second
            weights, bias = np.vstack([np.zeros_like(weights), weights]), np.array([0.0, bias[0]])
        yield strength, weights.copy(), bias.copy()
