"""A number: ridge regression on standardised features, in closed form.

The strength of the penalty and how far features are standardised are chosen by the squared error on the
validation part; then the weights are fitted once more on both parts with the same penalty for each sample.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from threadpoolctl import threadpool_limits

from finetune.heads.chunks import Standardised, like, logits, over, standardised
from finetune.heads.grid import Grid
from finetune.heads.linear import Head
from finetune.heads.rows import Rows
from finetune.heads.scaler import POWERS, Doubles, Floats

PENALTIES: Final = tuple(float(f"{10 ** (exponent / 2):.3g}") for exponent in range(-8, 9))  # 1e-4 .. 1e4
GRID: Final = Grid(POWERS, PENALTIES)
Path = Iterator[tuple[float, Doubles, float]]  # penalty, weights [e], bias


@dataclass(frozen=True, slots=True)
class Choice:
    """What was tried on the validation part, and how it did."""

    power: float
    penalty: float  # of the squared weights, for each sample, in units of the target's variance
    val_rmse: float  # root of the mean squared error on the validation part, in the target's unit
    unit: float  # standard deviation of the target on the train part

    @property
    def val_loss(self) -> float:
        """By what choices are compared, as those of the other tasks are."""
        return self.val_rmse


def choose(rows: Rows, grid: Grid | None = None) -> Choice:
    """Return the choice of `grid`, by default GRID, that does best on the validation part.

    Raises:
        DatasetError: every feature is constant.
    """
    with threadpool_limits(1, "blas"):
        return min(_choices(rows, grid or GRID), key=lambda choice: choice.val_rmse)


def refit(choice: Choice, rows: Rows, start: Head[Any] | None = None) -> Head[Choice]:
    """Return the head of a choice, fitted to both parts; samples of the validation part count 1.

    What is solved in closed form needs no `start`.
    """
    with threadpool_limits(1, "blas"):
        scaler, z = standardised(choice.power, rows.x, rows.x_val)
        ones = np.ones(len(rows.y_val), np.float32)
        each = None if rows.weights is None else np.concatenate([rows.weights, ones])
        _, w, bias = next(_path(z, rows.targets(), each, (choice.penalty,)))
    return Head.folded("ridge", "Identity", scaler, w[None], np.array([bias]), choice)


def _choices(rows: Rows, grid: Grid) -> Iterator[Choice]:
    # Three samples may well have one number in train.
    unit = float(rows.y.std()) or 1.0
    for power in grid.powers:
        scaler, z = standardised(power, rows.x)
        z_val = like(scaler, rows.x_val)
        for penalty, w, bias in _path(z, rows.y, rows.weights, grid.strengths):
            off = logits(z_val, w[None], np.array([bias]))[:, 0] - rows.y_val
            yield Choice(power, penalty, float(np.sqrt((off**2).mean())), unit)


def _path(z: Standardised, y: Doubles, weights: Floats | None, penalties: Sequence[float]) -> Path:
    """Yield penalty, weights [e] and bias for each penalty."""
    sums = _Sums.of(z, y, weights)
    values, vectors = np.linalg.eigh(sums.square)
    pull = vectors.T @ sums.pull
    for penalty in penalties:
        w = vectors @ (pull / (np.maximum(values, 0) + penalty))
        yield penalty, z.outward(w[None])[0], sums.y - float(w @ sums.z)


@dataclass(frozen=True, slots=True)
class _Sums:
    """All that ridge regression asks of its samples: means, weighted."""

    z: Doubles  # [e]
    y: float
    square: Doubles  # [e,e], of z with itself, both without their means
    pull: Doubles  # [e], of z with y, likewise

    @classmethod
    def of(cls, z: Standardised, y: Doubles, weights: Floats | None) -> _Sums:
        n, d = z.shape
        each = np.full(n, 1 / n) if weights is None else weights / weights.sum(dtype=np.float64)
        mean = float(each @ y)

        def look(rows: slice, piece: Floats) -> tuple[Doubles, Doubles, Doubles]:
            full = piece.astype(np.float64)
            weighed = full * each[rows, None]
            return weighed.sum(0), weighed.T @ full, weighed.T @ (y[rows] - mean)

        first, square, pull = np.zeros(d), np.zeros((d, d)), np.zeros(d)
        for one, two, three in over(z, look):
            first, pull = first + one, pull + three
            square += two
        return cls(first, mean, square - np.outer(first, first), pull)
