"""NumPy array types by dtype; shapes are given in docstrings, such as float32 [n,d]."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

BoolArray = NDArray[np.bool_]
Float16Array = NDArray[np.float16]
Float32Array = NDArray[np.float32]
Float64Array = NDArray[np.float64]
FloatArray = NDArray[np.floating[Any]]  # of any precision
IndexArray = NDArray[np.intp]  # row or class numbers
Int32Array = NDArray[np.int32]
