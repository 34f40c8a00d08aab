"""What a head is fitted to.

What a head's recipe is chosen from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graft.types import Float32Array


@dataclass(frozen=True, slots=True)
class FitData:
    """Features and targets of n samples to train on, and of m to choose by; m may be 0 where nothing is chosen.

    The validation part is looked at as it is while something is chosen, whatever the weights.
    """

    x: Float32Array  # float32 [n,d]
    y: NDArray[Any]  # of n samples: int [n] of classes, bool [n,k] of tags, float64 [n] of numbers
    x_val: Float32Array  # float32 [m,d]
    y_val: NDArray[Any]
    sample_weights: Float32Array | None = None  # float32 [n], how much each sample of `x` counts; None: all alike

    def all_targets(self) -> NDArray[Any]:
        """Return the targets of both parts, n+m."""
        return np.concatenate([self.y, self.y_val])


@dataclass(frozen=True, slots=True)
class Grid:
    """Every power with every strength is tried on the validation part."""

    powers: tuple[float, ...]  # how far features are standardised: see `Scaler`
    strengths: tuple[float, ...]  # C of classes and tags; the penalty of numbers

    @classmethod
    def around(cls, power: float, strength: float) -> Grid:
        """Return the grid for data that are nearly those for which `power` and `strength` were best."""
        return cls((power,), (strength / 10**0.5, strength, strength * 10**0.5))
