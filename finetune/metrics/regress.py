"""Of a regression. Shapes: n samples; truth and said float [n], in the target's unit."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]


def measure_numbers(said: Doubles, truth: Doubles) -> dict[str, Any]:
    """Return the metrics of what was `said` against the `truth`, ready for JSON.

    R² is None where all of the truth is one number: then there is no spread that could be explained.
    """
    off = np.asarray(said, np.float64) - truth
    spread = float(((truth - truth.mean()) ** 2).sum())
    return {
        "samples": len(truth),
        "r2": 1 - float((off**2).sum()) / spread if spread else None,
        "mae": float(np.abs(off).mean()),
        "rmse": float(np.sqrt((off**2).mean())),
        "bias": float(off.mean()),
    }
