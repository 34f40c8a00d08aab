"""The outputs of a head as the columns of one array, and apart again: what lies between passes on one array.

A head gives scores, float32 [n,k], and some give novelty, float32 [n], besides.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graft.bundle.signature import TensorSpec
from graft.types import Float32Array


def concat_outputs(outputs: Sequence[Float32Array]) -> Float32Array:
    """Return outputs, float32 [n,…] or [n] each, side by side: float32 [n,…]. A single one is not copied."""
    return outputs[0] if len(outputs) == 1 else np.column_stack(outputs)


def split_outputs(columns: Float32Array, tensors: Sequence[TensorSpec]) -> dict[str, Float32Array]:
    """Return what `concat_outputs` made one of, by name; `tensors` say how wide each is."""
    outputs: dict[str, Float32Array] = {}
    for tensor in tensors:
        width = tensor.shape[-1] if len(tensor.shape) > 1 else 1
        part, columns = columns[:, :width], columns[:, width:]
        outputs[tensor.name] = part if len(tensor.shape) > 1 else part.reshape(-1)
    return outputs
