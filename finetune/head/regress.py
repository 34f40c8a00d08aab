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

from finetune.head.fit_data import FitData, Grid
from finetune.head.head_onnx import Head
from finetune.head.standardize import (
    SCALING_POWERS,
    StandardizedFeatures,
    compute_logits,
    map_chunks,
    standardize,
    standardize_with,
)
from graft.types import Float32Array, Float64Array

REGRESS_PENALTIES: Final = tuple(float(f"{10 ** (exponent / 2):.3g}") for exponent in range(-8, 9))  # 1e-4 .. 1e4
REGRESS_GRID: Final = Grid(SCALING_POWERS, REGRESS_PENALTIES)
RidgePath = Iterator[tuple[float, Float64Array, float]]  # penalty, weights [e], bias


@dataclass(frozen=True, slots=True)
class RegressChoice:
    """What was tried on the validation part, and how it did."""

    power: float
    penalty: float  # of the squared weights, for each sample, in units of the target's variance
    val_rmse: float  # root of the mean squared error on the validation part, in the target's unit
    unit: float  # standard deviation of the target on the train part

    @property
    def val_loss(self) -> float:
        """By what choices are compared, as those of the other tasks are."""
        return self.val_rmse


def choose(data: FitData, grid: Grid | None = None) -> RegressChoice:
    """Return the choice of `grid`, by default GRID, that does best on the validation part.

    Raises:
        DatasetError: every feature is constant.
    """
    with threadpool_limits(1, "blas"):
        return min(_candidates(data, grid or REGRESS_GRID), key=lambda choice: choice.val_rmse)


def refit(choice: RegressChoice, data: FitData, warm_start: Head[Any] | None = None) -> Head[RegressChoice]:
    """Return the head of a choice, fitted to both parts; samples of the validation part count 1.

    What is solved in closed form needs no `warm_start`.
    """
    with threadpool_limits(1, "blas"):
        scaler, z = standardize(choice.power, data.x, data.x_val)
        ones = np.ones(len(data.y_val), np.float32)
        sample_weights = None if data.sample_weights is None else np.concatenate([data.sample_weights, ones])
        _, w, bias = next(_fit_path(z, data.all_targets(), sample_weights, (choice.penalty,)))
    return Head.from_standardized("ridge", "Identity", scaler, w[None], np.array([bias]), choice)


def _candidates(data: FitData, grid: Grid) -> Iterator[RegressChoice]:
    # Three samples may well have one number in train.
    unit = float(data.y.std()) or 1.0
    for power in grid.powers:
        scaler, z = standardize(power, data.x)
        z_val = standardize_with(scaler, data.x_val)
        for penalty, w, bias in _fit_path(z, data.y, data.sample_weights, grid.strengths):
            off = compute_logits(z_val, w[None], np.array([bias]))[:, 0] - data.y_val
            yield RegressChoice(power, penalty, float(np.sqrt((off**2).mean())), unit)


def _fit_path(
    z: StandardizedFeatures, y: Float64Array, sample_weights: Float32Array | None, penalties: Sequence[float]
) -> RidgePath:
    """Yield penalty, weights [e] and bias for each penalty."""
    sums = _RidgeMoments.from_features(z, y, sample_weights)
    values, vectors = np.linalg.eigh(sums.covariance)
    projected_targets = vectors.T @ sums.target_covariance
    for penalty in penalties:
        w = vectors @ (projected_targets / (np.maximum(values, 0) + penalty))
        yield penalty, z.from_span(w[None])[0], sums.target_mean - float(w @ sums.feature_means)


@dataclass(frozen=True, slots=True)
class _RidgeMoments:
    """All that ridge regression asks of its samples: means, weighted."""

    feature_means: Float64Array  # [e]
    target_mean: float
    covariance: Float64Array  # [e,e], of z with itself, both without their means
    target_covariance: Float64Array  # [e], of z with y, likewise

    @classmethod
    def from_features(
        cls, z: StandardizedFeatures, y: Float64Array, sample_weights: Float32Array | None
    ) -> _RidgeMoments:
        n, d = z.shape
        each = np.full(n, 1 / n) if sample_weights is None else sample_weights / sample_weights.sum(dtype=np.float64)
        mean = float(each @ y)

        def look(rows: slice, piece: Float32Array) -> tuple[Float64Array, Float64Array, Float64Array]:
            full = piece.astype(np.float64)
            weighed = full * each[rows, None]
            return weighed.sum(0), weighed.T @ full, weighed.T @ (y[rows] - mean)

        first, square, pull = np.zeros(d), np.zeros((d, d)), np.zeros(d)
        for one, two, three in map_chunks(z, look):
            first, pull = first + one, pull + three
            square += two
        return cls(first, mean, square - np.outer(first, first), pull)
