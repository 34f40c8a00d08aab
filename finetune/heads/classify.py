"""Classes: multinomial logistic regression on standardised features.

Everything is chosen on the validation part: the strength C of the L2 penalty and how far features are
standardised by the log loss that remains after temperature scaling, then the temperature itself (Guo et
al. 2017, "On calibration of modern neural networks"). Weights of the samples count while fitting; the
validation part is looked at as it is.

At last the weights are fitted once more, on train and validation together, with the same penalty for
each sample. The temperature stays what it was: it was fitted to answers about samples that its head had
not seen, and the test part measures what the final head makes of it (`benchmarks/finetune.py`).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from finetune.heads.chunks import Chunked, Standardised, like, logits, standardised, while_it_helps
from finetune.heads.grid import Grid
from finetune.heads.lbfgs import FINE, ROUGH, Link, minimum
from finetune.heads.linear import Head
from finetune.heads.scaler import POWERS, Doubles, Floats, span
from finetune.heads.temperature import fit_temperature

Labels = NDArray[np.intp]

STRENGTHS: Final = tuple(float(f"{10 ** (exponent / 2):.3g}") for exponent in range(-8, 5))  # 1e-4 .. 100
GRID: Final = Grid(POWERS, STRENGTHS)
MAX_STEPS: Final = 1000  # of L-BFGS

Path = Iterator[tuple[float, Doubles, Doubles]]  # strength, weights [k,e], bias [k]
Begin = tuple[Doubles, Doubles] | None  # weights [k,e] and bias [k] to start from


@dataclass(frozen=True, slots=True)
class Choice:
    """What was tried on the validation part, and how it did."""

    power: float  # of the deviation that features were divided by: 1 standardised, 0.5 halfway
    strength: float  # C, the inverse of the L2 penalty
    temperature: float
    val_loss: float  # log loss on the validation part, after temperature
    val_macro_f1: float = 0.0  # of the likeliest classes, over the classes that are there or were said


def fit(
    x: Floats, y: Labels, x_val: Floats, y_val: Labels, *, weights: Floats | None = None, start: Head[Any] | None = None
) -> Head[Choice]:
    """Fit a head to `x` float32 [n,d], `y` [n], choosing on `x_val` [m,d], `y_val` [m].

    Every class 0..k-1 must be among `y`. `weights` float32 [n] say how much each sample counts; `start` is a head
    of the same classes and features to begin from. The same arguments give the same head: sums run on one thread,
    or in one order, so that they do not depend on the number of cores.

    Raises:
        DatasetError: every feature is constant.
    """
    choice = choose(x, y, x_val, y_val, weights=weights, start=start)
    return refit(choice, x, y, x_val, y_val, weights=weights, start=start)


def choose(
    x: Floats,
    y: Labels,
    x_val: Floats,
    y_val: Labels,
    *,
    weights: Floats | None = None,
    start: Head[Any] | None = None,
    grid: Grid = GRID,
) -> Choice:
    """Return the choice of `grid` that does best on the validation part; other arguments as those of `fit`."""
    with _quietly():
        return min(_choices(x, y, x_val, y_val, weights, start, grid), key=_loss)


def refit(
    choice: Choice,
    x: Floats,
    y: Labels,
    x_val: Floats,
    y_val: Labels,
    *,
    weights: Floats | None = None,
    start: Head[Any] | None = None,
) -> Head[Choice]:
    """Return the head of a choice, fitted to both parts; arguments as those of `fit`."""
    with _quietly():
        scaler, z = standardised(choice.power, x, x_val)
        share = len(x) / z.shape[0]
        both = np.concatenate([y, y_val])
        each = None if weights is None else np.concatenate([weights, weights_of(y, weights)[y_val]])
        begin = scaler.unfolded(start.weights, start.bias) if start else None
        _, w, bias = next(_path(z, both, each, (choice.strength * share,), FINE, begin))
    cool = choice.temperature
    return Head.folded("logistic", "Softmax", scaler, w / cool, bias / cool, choice)


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


def _choices(
    x: Floats, y: Labels, x_val: Floats, y_val: Labels, weights: Floats | None, start: Head[Any] | None, grid: Grid
) -> Iterator[Choice]:
    for power in grid.powers:
        scaler, z = standardised(power, x)
        z_val = like(z, scaler, x_val)
        begin = scaler.unfolded(start.weights, start.bias) if start else None

        def judged(path: Path, power: float = power, z_val: Standardised = z_val) -> Iterator[Choice]:
            for strength, w, bias in path:
                said = logits(z_val, w, bias)
                temperature, loss = fit_temperature(said, y_val)
                yield Choice(power, strength, temperature, loss, macro_f1(said.argmax(1), y_val))

        yield from while_it_helps(z, judged(_path(z, y, weights, grid.strengths, ROUGH, begin)), _loss)


def _loss(choice: Choice) -> float:
    return choice.val_loss


@contextmanager
def _quietly() -> Iterator[None]:
    with threadpool_limits(1, "blas"), warnings.catch_warnings():
        # An unfinished fit is a candidate like any other; validation judges it.
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def _path(
    z: Standardised, y: Labels, weights: Floats | None, strengths: Sequence[float], tolerance: float, begin: Begin
) -> Path:
    """Yield a head for each strength, each started from the last."""
    if isinstance(z, Chunked):
        yield from _path_in_chunks(z, y, weights, strengths, tolerance, begin)
        return
    basis = span(z)
    inner = z if basis is None else z @ basis
    model = LogisticRegression(warm_start=True, max_iter=MAX_STEPS, tol=tolerance)
    if begin:
        w, model.intercept_ = _rows(*begin)
        model.coef_ = w if basis is None else w @ basis
    for strength in strengths:
        model.C = strength
        model.fit(inner, y, weights)
        w = model.coef_ if basis is None else model.coef_ @ basis.T
        yield strength, *_all_rows(w.copy(), model.intercept_.copy())


def _path_in_chunks(
    z: Chunked, y: Labels, weights: Floats | None, strengths: Sequence[float], tolerance: float, begin: Begin
) -> Path:
    k, d = int(y.max()) + 1, z.shape[1]
    w, bias = _rows(*(begin or (np.zeros((k, d)), np.zeros(k))))
    found = np.hstack([w, bias[:, None]])
    link: Link = "Softmax" if k > 2 else "Sigmoid"
    for strength in strengths:
        truth = y if k > 2 else y[:, None]
        found = minimum(
            z, truth, found, link=link, strength=strength, weights=weights, tolerance=tolerance, steps=MAX_STEPS
        )
        yield strength, *_all_rows(found[:, :d].copy(), found[:, d].copy())


def _rows(weights: Doubles, bias: Doubles) -> tuple[Doubles, Doubles]:
    """Return what is fitted: of two classes one row, the logit of the second, as scikit-learn keeps it."""
    return (weights[1:] - weights[:1], bias[1:] - bias[:1]) if len(weights) == 2 else (weights, bias)


def _all_rows(weights: Doubles, bias: Doubles) -> tuple[Doubles, Doubles]:
    """Return a row for each class of what was fitted."""
    return (
        (weights, bias)
        if len(weights) > 1
        else (np.vstack([np.zeros_like(weights), weights]), np.array([0.0, bias[0]]))
    )
