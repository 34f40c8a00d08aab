"""Of a regression. Shapes: n samples; truth and said float [n], in the target's unit."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Float64Array = NDArray[np.float64]


def regression_metrics(predictions: Float64Array, truth: Float64Array) -> dict[str, Any]:
    """Return the metrics of what was `predictions` against the `truth`, ready for JSON.

    R² is None where all of the truth is one number: then there is no spread that could be explained.
    """
    errors = np.asarray(predictions, np.float64) - truth
    spread = float(((truth - truth.mean()) ** 2).sum())
    return {
        "samples": len(truth),
        "r2": 1 - float((errors**2).sum()) / spread if spread else None,
        "mae": float(np.abs(errors).mean()),
        "rmse": float(np.sqrt((errors**2).mean())),
        "bias": float(errors.mean()),
    }
