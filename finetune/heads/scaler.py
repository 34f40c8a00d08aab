"""Standardised features, without the nearly constant ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from zoo.errors import DatasetError

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

POWERS: Final = (1.0, 0.5)
FLAT: Final = 1e-3  # features whose deviation is under this share of the median deviation are dropped


@dataclass(frozen=True, slots=True)
class Scaler:
    """Features [n,d] -> standardised ones [n,e], without the nearly constant ones.

    Half standardisation divides by the root of the deviation ("Pareto scaling", van den Berg et al. 2006): most
    pooled features are rarely on, and dividing by their tiny deviation makes outliers of them.
    """

    kept: NDArray[np.bool_]  # [d]
    mean: Doubles  # [e]
    scale: Doubles  # [e]

    @classmethod
    def of(cls, x: Floats, power: float) -> Scaler:
        """Return the scaler of `x`; `power` 1 divides by the deviation, 0.5 by its root.

        Raises:
            DatasetError: every feature is constant.
        """
        return cls.of_moments(x.mean(0, dtype=np.float64), x.std(0, dtype=np.float64), power)

    @classmethod
    def of_moments(cls, mean: Doubles, deviation: Doubles, power: float) -> Scaler:
        """Return the scaler of features with that mean [d] and deviation [d].

        Raises:
            DatasetError: every feature is constant.
        """
        alive = deviation[deviation > 0]
        median = float(np.median(alive)) if len(alive) else 1.0
        kept = deviation > FLAT * median
        if not kept.any():
            raise DatasetError(
                "the backbone sees no difference between the samples: all their features are the same. "
                "Check that they are what they should be, or take another --backbone."
            )
        return cls(kept, mean[kept], deviation[kept] ** power * median ** (1 - power))

    def __call__(self, x: Floats) -> Doubles:
        """Return `x` [n,d] standardised, float64 [n,e]."""
        z: Doubles = x[:, self.kept] - self.mean
        z /= self.scale  # in place: this is the largest array of a fit
        return z

    def unfolded(self, weights: Floats, bias: Floats) -> tuple[Doubles, Doubles]:
        """Return weights [k,e] and bias [k] for standardised features that do what these do for plain ones."""
        kept = weights[:, self.kept].astype(np.float64)
        return kept * self.scale, bias + kept @ self.mean


def span(z: Floats) -> Doubles | None:
    """Return an orthonormal basis [d,n] of the span of `z` [n,d] where that has far fewer dimensions; else None.

    With fewer samples than features an optimum under an L2 penalty lies in the span of the samples. So a
    fit may run in coordinates of that span: the same answer, many times faster.
    """
    n, d = z.shape
    return np.linalg.qr(z.T.astype(np.float64))[0] if 2 * n < d else None
