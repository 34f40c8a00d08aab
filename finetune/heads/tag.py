"""Tags: one-vs-rest logistic regression on standardised features, all tags in one fit.

The strength C of the L2 penalty (one for all tags) and how far features are standardised are chosen by the log
loss on the validation part after one temperature for the whole head; so are the thresholds, for each tag the
one of the best F1. At last the weights are fitted once more on train and validation together, with the same
penalty for each sample; temperature and thresholds stay what they were.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from threadpoolctl import threadpool_limits

from finetune.heads.chunks import Chunked, Standardised, like, standardised, while_it_helps
from finetune.heads.chunks import logits as logits_of
from finetune.heads.grid import Grid
from finetune.heads.lbfgs import FINE, ROUGH, minimum
from finetune.heads.linear import Head
from finetune.heads.scaler import POWERS, Doubles, Floats, span

Tags = NDArray[np.bool_]

STRENGTHS: Final = tuple(10.0**exponent for exponent in range(-4, 3))
GRID: Final = Grid(POWERS, STRENGTHS)
MAX_STEPS: Final = 300  # of L-BFGS
Path = Iterator[tuple[float, Doubles, Doubles]]  # strength, weights [k,e], bias [k]
Begin = tuple[Doubles, Doubles] | None  # weights [k,e] and bias [k] to start from
LOWEST, HIGHEST = 0.05, 0.95  # of a threshold: few validation samples must not drive it to an end


@dataclass(frozen=True, slots=True)
class Choice:
    """What was tried on the validation part, and how it did."""

    power: float
    strength: float  # C, the inverse of the L2 penalty
    temperature: float
    val_loss: float  # log loss of a tag on the validation part, after temperature
    thresholds: tuple[float, ...]  # [k], probabilities from which on a tag is given


def fit(
    x: Floats, y: Tags, x_val: Floats, y_val: Tags, *, weights: Floats | None = None, start: Head[Any] | None = None
) -> Head[Choice]:
    """Fit a head to `x` float32 [n,d], `y` bool [n,k], choosing on `x_val` [m,d], `y_val` [m,k].

    `weights` float32 [n] say how much each sample of `x` counts; those of `x_val` count 1. `start` is a head of the
    same tags and features to begin from. The same arguments give the same head.

    Raises:
        DatasetError: every feature is constant.
    """
    choice = choose(x, y, x_val, y_val, weights=weights, start=start)
    return refit(choice, x, y, x_val, y_val, weights=weights, start=start)


def choose(
    x: Floats,
    y: Tags,
    x_val: Floats,
    y_val: Tags,
    *,
    weights: Floats | None = None,
    start: Head[Any] | None = None,
    grid: Grid = GRID,
) -> Choice:
    """Return the choice of `grid` that does best on the validation part; other arguments as those of `fit`."""
    with threadpool_limits(1, "blas"):
        return min(_choices(x, y, x_val, y_val, weights, start, grid), key=_loss)


def refit(
    choice: Choice,
    x: Floats,
    y: Tags,
    x_val: Floats,
    y_val: Tags,
    *,
    weights: Floats | None = None,
    start: Head[Any] | None = None,
) -> Head[Choice]:
    """Return the head of a choice, fitted to both parts; arguments as those of `fit`."""
    with threadpool_limits(1, "blas"):
        scaler, z = standardised(choice.power, x, x_val)
        both = np.concatenate([y, y_val])
        each = None if weights is None else np.concatenate([weights, np.ones(len(y_val), np.float32)])
        begin = scaler.unfolded(start.weights, start.bias) if start else None
        _, w, bias = next(_path(z, both, each, (choice.strength * len(x) / len(both),), FINE, begin))
    cool = choice.temperature
    return Head.folded("one-vs-rest logistic", "Sigmoid", scaler, w / cool, bias / cool, choice)


def _choices(
    x: Floats, y: Tags, x_val: Floats, y_val: Tags, weights: Floats | None, start: Head[Any] | None, grid: Grid
) -> Iterator[Choice]:
    for power in grid.powers:
        scaler, z = standardised(power, x)
        z_val = like(z, scaler, x_val)
        begin = scaler.unfolded(start.weights, start.bias) if start else None

        def judged(path: Path, power: float = power, z_val: Standardised = z_val) -> Iterator[Choice]:
            for strength, w, bias in path:
                said = logits_of(z_val, w, bias)
                temperature, loss = fit_temperature(said, y_val)
                yield Choice(power, strength, temperature, loss, tuple(thresholds(expit(said / temperature), y_val)))

        yield from while_it_helps(z, judged(_path(z, y, weights, grid.strengths, ROUGH, begin)), _loss)


def _loss(choice: Choice) -> float:
    return choice.val_loss


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
    z: Standardised, y: Tags, weights: Floats | None, strengths: Sequence[float], tolerance: float, begin: Begin
) -> Path:
    """Yield a head for each strength, each started from the last."""
    basis = None if isinstance(z, Chunked) else span(z)
    inner = z if isinstance(z, Chunked) or basis is None else z @ basis
    (n, d), k = inner.shape, y.shape[1]
    found = np.zeros((k, d + 1))
    # The bias begins where it gives each tag its own frequency.
    rate = (y.sum(0) + 0.5) / (n + 1)
    found[:, d] = np.log(rate / (1 - rate))
    if begin:
        found = np.hstack([begin[0] if basis is None else begin[0] @ basis, begin[1][:, None]])
    for strength in strengths:
        found = minimum(
            inner, y, found, link="Sigmoid", strength=strength, weights=weights, tolerance=tolerance, steps=MAX_STEPS
        )
        w = found[:, :d] if basis is None else found[:, :d] @ basis.T
        yield strength, w.copy(), found[:, d].copy()
