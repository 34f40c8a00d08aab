"""The head of numbers: ridge regression on standardised features, in closed form.

The penalty and how far features are standardised are chosen by the squared error on the validation part; then the
weights are fitted once more, to the train and validation parts together, with the same penalty per sample.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from threadpoolctl import threadpool_limits

from finetune.head import FitData, Grid, Head
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
RidgePath = Iterator[tuple[float, Float64Array, float]]  # penalty, weights [e], bias


@dataclass(frozen=True, slots=True)
class RegressChoice:
    """Hyper-parameters of a head of numbers, with their results on the validation part."""

    power: float  # of the deviation that features are divided by: 1 is full standardisation, 0.5 half of it
    penalty: float  # of the squared weights, per sample, in units of the target's variance
    val_rmse: float  # root of the mean squared error on the validation part, in the target's unit
    unit: float  # standard deviation of the target on the train part

    @property
    def val_loss(self) -> float:
        """The loss by which choices are compared, under the name that the other tasks use."""
        return self.val_rmse


class RegressFitter:
    """Ridge regression: targets float64 [n]."""

    grid: ClassVar = Grid(SCALING_POWERS, REGRESS_PENALTIES)
    strength_field: ClassVar = "penalty"
    loss_field: ClassVar = "val_rmse"

    def choose(self, data: FitData, grid: Grid | None = None) -> RegressChoice:
        """Return the choice of `grid`, by default the fitter's own, with the smallest validation error.

        Raises:
            DatasetError: every feature is constant.
        """
        with threadpool_limits(1, "blas"):
            return min(_candidates(data, grid or self.grid), key=lambda choice: choice.val_rmse)

    def refit(
        self,
        choice: RegressChoice,
        data: FitData,
        warm_start: Head[Any] | None = None,  # the contract of all fitters
    ) -> Head[RegressChoice]:
        """Return the head of a choice, fitted to both parts; validation samples have weight 1.

        `warm_start` is ignored: the solution is in closed form.
        """
        with threadpool_limits(1, "blas"):
            scaler, z = standardize(choice.power, data.x, data.x_val)
            ones = np.ones(len(data.y_val), np.float32)
            sample_weights = None if data.sample_weights is None else np.concatenate([data.sample_weights, ones])
            _, w, bias = next(_fit_path(z, data.all_targets(), sample_weights, (choice.penalty,)))
        return Head.from_standardized("ridge", "Identity", scaler, w[None], np.array([bias]), choice)


def _candidates(data: FitData, grid: Grid) -> Iterator[RegressChoice]:
    # The deviation is 0 where all of few train samples have the same number.
    unit = float(data.y.std()) or 1.0
    for power in grid.powers:
        scaler, z = standardize(power, data.x)
        z_val = standardize_with(scaler, data.x_val)
        for penalty, w, bias in _fit_path(z, data.y, data.sample_weights, grid.strengths):
            errors = compute_logits(z_val, w[None], np.array([bias]))[:, 0] - data.y_val
            yield RegressChoice(power, penalty, float(np.sqrt((errors**2).mean())), unit)


def _fit_path(
    z: StandardizedFeatures, y: Float64Array, sample_weights: Float32Array | None, penalties: Sequence[float]
) -> RidgePath:
    """Yield each penalty with its weights [e] and bias; one eigendecomposition serves all penalties."""
    moments = _RidgeMoments.from_features(z, y, sample_weights)
    values, vectors = np.linalg.eigh(moments.covariance)
    projected_targets = vectors.T @ moments.target_covariance
    for penalty in penalties:
        w = vectors @ (projected_targets / (np.maximum(values, 0) + penalty))
        yield penalty, z.from_span(w[None])[0], moments.target_mean - float(w @ moments.feature_means)


@dataclass(frozen=True, slots=True)
class _RidgeMoments:
    """The weighted means and covariances that ridge regression needs of its samples."""

    feature_means: Float64Array  # [e]
    target_mean: float
    covariance: Float64Array  # [e,e], of the features
    target_covariance: Float64Array  # [e], of features and target

    @classmethod
    def from_features(
        cls, z: StandardizedFeatures, y: Float64Array, sample_weights: Float32Array | None
    ) -> _RidgeMoments:
        n, d = z.shape
        each = np.full(n, 1 / n) if sample_weights is None else sample_weights / sample_weights.sum(dtype=np.float64)
        target_mean = float(each @ y)

        def chunk_moments(rows: slice, piece: Float32Array) -> tuple[Float64Array, Float64Array, Float64Array]:
            features = piece.astype(np.float64)
            weighted = features * each[rows, None]
            return weighted.sum(0), weighted.T @ features, weighted.T @ (y[rows] - target_mean)

        means, products, target_products = np.zeros(d), np.zeros((d, d)), np.zeros(d)
        for one, two, three in map_chunks(z, chunk_moments):
            means, target_products = means + one, target_products + three
            products += two
        return cls(means, target_mean, products - np.outer(means, means), target_products)
