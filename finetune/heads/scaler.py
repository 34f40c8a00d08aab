"""Standardised features, without the nearly constant ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from zoo.errors import DatasetError

Float32Array = NDArray[np.float32]
Float64Array = NDArray[np.float64]

SCALING_POWERS: Final = (1.0, 0.5)
MIN_RELATIVE_DEVIATION: Final = 1e-3  # features whose deviation is under this share of the median deviation are dropped


@dataclass(frozen=True, slots=True)
class Scaler:
    """Features [n,d] -> standardised ones [n,e], without the nearly constant ones.

    Half standardisation divides by the root of the deviation ("Pareto scaling", van den Berg et al. 2006): most
    pooled features are rarely on, and dividing by their tiny deviation makes outliers of them.
    """

    kept_mask: NDArray[np.bool_]  # [d]
    mean: Float64Array  # [e]
    scale: Float64Array  # [e]

    @classmethod
    def from_features(cls, x: Float32Array, power: float) -> Scaler:
        """Return the scaler of `x`; `power` 1 divides by the deviation, 0.5 by its root.

        Raises:
            DatasetError: every feature is constant.
        """
        return cls.from_moments(x.mean(0, dtype=np.float64), x.std(0, dtype=np.float64), power)

    @classmethod
    def from_moments(cls, mean: Float64Array, deviation: Float64Array, power: float) -> Scaler:
        """Return the scaler of features with that mean [d] and deviation [d].

        Raises:
            DatasetError: every feature is constant.
        """
        alive = deviation[deviation > 0]
        median = float(np.median(alive)) if len(alive) else 1.0
        kept_mask = deviation > MIN_RELATIVE_DEVIATION * median
        if not kept_mask.any():
            raise DatasetError(
                "the backbone sees no difference between the samples: all their features are the same. "
                "Check that they are what they should be, or take another --backbone."
            )
        return cls(kept_mask, mean[kept_mask], deviation[kept_mask] ** power * median ** (1 - power))

    def __call__(self, x: Float32Array) -> Float64Array:
        """Return `x` [n,d] standardised, float64 [n,e]."""
        z: Float64Array = x[:, self.kept_mask] - self.mean
        z /= self.scale  # in place: this is the largest array of a fit
        return z

    def unfold_weights(self, weights: Float32Array, bias: Float32Array) -> tuple[Float64Array, Float64Array]:
        """Return weights [k,e] and bias [k] for standardised features that do what these do for plain ones."""
        kept_weights = weights[:, self.kept_mask].astype(np.float64)
        return kept_weights * self.scale, bias + kept_weights @ self.mean


def span_basis(z: Float32Array) -> Float64Array | None:
    """Return an orthonormal basis [d,n] of the span of `z` [n,d] where that has far fewer dimensions; else None.

    With fewer samples than features an optimum under an L2 penalty lies in the span of the samples. So a
    fit may run in coordinates of that span: the same answer, many times faster.
    """
    n, d = z.shape
    return np.linalg.qr(z.T.astype(np.float64))[0] if 2 * n < d else None
