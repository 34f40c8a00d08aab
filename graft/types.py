"""Array types that the packages share: one name for each dtype; shapes stand in the docstrings."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

BoolArray = NDArray[np.bool_]
Float16Array = NDArray[np.float16]
Float32Array = NDArray[np.float32]
Float64Array = NDArray[np.float64]
FloatArray = NDArray[np.floating[Any]]  # of any width
IndexArray = NDArray[np.intp]  # of rows or of classes
Int32Array = NDArray[np.int32]
