"""The outputs of a head as the columns of one array, and apart again: what lies between passes on one array.

A head gives scores, float32 [n,k], and some give novelty, float32 [n], besides.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from zoo.signature import Tensor

Floats = NDArray[np.float32]


def together(outputs: Sequence[Floats]) -> Floats:
    """Return outputs, float32 [n,…] or [n] each, side by side: float32 [n,…]. A single one is not copied."""
    return outputs[0] if len(outputs) == 1 else np.column_stack(outputs)


def apart(columns: Floats, tensors: Sequence[Tensor]) -> dict[str, Floats]:
    """Return what `together` made one of, by name; `tensors` say how wide each is."""
    parts: dict[str, Floats] = {}
    for tensor in tensors:
        wide = tensor.shape[-1] if len(tensor.shape) > 1 else 1
        part, columns = columns[:, :wide], columns[:, wide:]
        parts[tensor.name] = part if len(tensor.shape) > 1 else part.reshape(-1)
    return parts
