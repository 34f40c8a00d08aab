"""Tags: one-vs-rest logistic regression on standardised features, all tags in one fit.

The strength C of the L2 penalty (one for all tags) and how far features are standardised are chosen by the log
loss on the validation part after one temperature for the whole head; so are the thresholds, for each tag the
one of the best F1. At last the weights are fitted once more on train and validation together, with the same
penalty for each sample; temperature and thresholds stay what they were.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import fmin_l_bfgs_b
from scipy.special import expit
from threadpoolctl import threadpool_limits

from finetune.heads.linear import Head
from finetune.heads.scaler import POWERS, Doubles, Floats, Scaler, span

Tags = NDArray[np.bool_]

STRENGTHS: Final = tuple(10.0**exponent for exponent in range(-4, 3))
MAX_STEPS: Final = 300  # of L-BFGS
ROUGH, FINE = 1e-4, 1e-5  # gradients at which it stops: of a candidate, of the head itself
LOWEST, HIGHEST = 0.05, 0.95  # of a threshold: few validation samples must not drive it to an end


@dataclass(frozen=True, slots=True)
class Choice:
    """What was tried on the validation part, and how it did."""

    power: float
    strength: float  # C, the inverse of the L2 penalty
    temperature: float
    val_loss: float  # log loss of a tag on the validation part, after temperature
    thresholds: tuple[float, ...]  # [k], probabilities from which on a tag is given


def fit(x: Floats, y: Tags, x_val: Floats, y_val: Tags) -> Head[Choice]:
    """Fit a head to `x` float32 [n,d], `y` bool [n,k], choosing on `x_val` [m,d], `y_val` [m,k].

    The same arguments give the same head.

    Raises:
        DatasetError: every feature is constant.
    """
    with threadpool_limits(1, "blas"):
        choice = min(_choices(x, y, x_val, y_val), key=lambda choice: choice.val_loss)
        scaler = Scaler.of(np.concatenate([x, x_val]), choice.power)
        share = len(x) / (len(x) + len(x_val))
        z, both = scaler(np.concatenate([x, x_val])), np.concatenate([y, y_val])
        _, weights, bias = next(_path(z, both, (choice.strength * share,), FINE))
    cool = choice.temperature
    return Head.folded("one-vs-rest logistic", "Sigmoid", scaler, weights / cool, bias / cool, choice)


def _choices(x: Floats, y: Tags, x_val: Floats, y_val: Tags) -> Iterator[Choice]:
    for power in POWERS:
        scaler = Scaler.of(x, power)
        z_val = scaler(x_val)
        for strength, weights, bias in _path(scaler(x), y, STRENGTHS, ROUGH):
            logits = z_val @ weights.T + bias
            temperature, loss = fit_temperature(logits, y_val)
            limits = tuple(thresholds(expit(logits / temperature), y_val))
            yield Choice(power, strength, temperature, loss, limits)


def fit_temperature(logits: Doubles, y: Tags) -> tuple[float, float]:
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


def thresholds(scores: Doubles, y: Tags) -> Iterator[float]:
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
        yield float(np.clip((ranked[best] + below[best]) / 2, LOWEST, HIGHEST))


def _path(
    z: Doubles, y: Tags, strengths: Sequence[float], tolerance: float
) -> Iterator[tuple[float, Doubles, Doubles]]:
    """Yield strength, weights [k,d] and bias [k] of a head for each strength, each started from the last."""
    basis = span(z)
    inner = z if basis is None else z @ basis
    (n, d), k = inner.shape, y.shape[1]
    start = np.zeros((k, d + 1))
    # The bias begins where it gives each tag its own frequency.
    rate = (y.sum(0) + 0.5) / (n + 1)
    start[:, d] = np.log(rate / (1 - rate))
    for strength in strengths:
        start = _minimum(inner, y.astype(np.float64), strength, start, tolerance)
        weights = start[:, :d] if basis is None else start[:, :d] @ basis.T
        yield strength, weights.copy(), start[:, d].copy()


def _minimum(z: Doubles, y: Doubles, strength: float, start: Doubles, tolerance: float) -> Doubles:
    """Return weights and bias, [k,d+1], that minimise the mean log loss and the L2 penalty of scikit-learn's C."""
    n, d = z.shape
    penalty = 1 / (strength * n)

    def loss(flat: Doubles) -> tuple[float, Doubles]:
        w = flat.reshape(start.shape)
        logits = z @ w[:, :d].T + w[:, d]
        off = (expit(logits) - y) / n  # [n,k]
        gradient = np.hstack([off.T @ z + penalty * w[:, :d], off.sum(0)[:, None]])
        value = (np.logaddexp(0, logits) - y * logits).sum() / n + penalty / 2 * (w[:, :d] ** 2).sum()
        return float(value), gradient.ravel()

    found, _, _ = fmin_l_bfgs_b(loss, start.ravel(), maxiter=MAX_STEPS, pgtol=tolerance, factr=1e3)
    return np.asarray(found).reshape(start.shape)
