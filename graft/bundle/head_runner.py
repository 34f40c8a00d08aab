"""Run head.onnx: features to scores, and novelty where the head has that output.

A head has an output `scores`, float32 [n,k], and some have a second one, `novelty`, float32 [n]. Between the stages of
the pipeline they travel as the columns of one array, float32 [n,k+1].
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graft.bundle.signature import TensorSpec
from graft.runtime.session import open_session
from graft.types import Float32Array


class HeadRunner:
    """A head in ONNX Runtime; safe to call from many threads at once."""

    def __init__(self, head_onnx: bytes) -> None:
        """Open the bytes of head.onnx.

        Raises:
            TrunkError: ONNX Runtime cannot open them.
        """
        self._session = open_session(head_onnx)

    def __call__(self, features: Float32Array) -> Float32Array:
        """Return the scores of `features`, float32 [n,d] -> [n,k], or [n,k+1] with novelty as the last column."""
        return concat_outputs(self._session.run(None, {"features": features}))


def concat_outputs(outputs: Sequence[Float32Array]) -> Float32Array:
    """Join a head's outputs into the columns of one array, float32 [n,...]. A single output is not copied.

    >>> scores, novelty = np.eye(2, dtype=np.float32), np.float32([5, 6])
    >>> concat_outputs([scores, novelty]).tolist()
    [[1.0, 0.0, 5.0], [0.0, 1.0, 6.0]]

    Args:
        outputs: each float32 [n,k] or [n].
    """
    return outputs[0] if len(outputs) == 1 else np.column_stack(outputs)


def split_outputs(columns: Float32Array, tensors: Sequence[TensorSpec]) -> dict[str, Float32Array]:
    """Split the columns that `concat_outputs` joined, float32 [n,...], into the outputs that `tensors` describe."""
    outputs: dict[str, Float32Array] = {}
    for tensor in tensors:
        width = tensor.shape[-1] if len(tensor.shape) > 1 else 1
        part, columns = columns[:, :width], columns[:, width:]
        outputs[tensor.name] = part if len(tensor.shape) > 1 else part.reshape(-1)
    return outputs
