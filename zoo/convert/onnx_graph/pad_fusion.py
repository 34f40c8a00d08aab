"""Zero padding before max pooling, kept apart: ONNX Runtime fuses the two, and then pads with the lowest number.

Seen in ONNX Runtime 1.31: where every number around is below zero, the zeros at the edge are lost. After a ReLU
nothing is below zero, and the fusion is welcome.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

_ALMOST_ZERO_PAD: Final = np.float32(1e-30)  # ONNX Runtime fuses zeros only


def prevent_pad_fusion(graph: onnx.GraphProto) -> None:
    """Let each Pad with zeros that a MaxPool reads, and that follows no ReLU, pad with next to nothing instead."""
    producers = {name: node for node in graph.node for name in node.output}
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    pools = [node for node in graph.node if node.op_type == "MaxPool"]
    pads = {pool.input[0]: producers[pool.input[0]] for pool in pools if pool.input[0] in producers}
    for name, pad in pads.items():
        if pad.op_type != "Pad" or _is_after_relu(pad, producers) or not _is_zero_pad(pad, constants):
            continue
        value = f"{name}/nearly_zero"
        graph.initializer.append(numpy_helper.from_array(np.array(_ALMOST_ZERO_PAD), value))
        del pad.input[2:]
        pad.input.append(value)


def _is_after_relu(pad: onnx.NodeProto, producers: dict[str, onnx.NodeProto]) -> bool:
    return pad.input[0] in producers and producers[pad.input[0]].op_type == "Relu"


def _is_zero_pad(pad: onnx.NodeProto, constants: dict[str, NDArray[Any]]) -> bool:
    constant = all(a.s == b"constant" for a in pad.attribute if a.name == "mode")
    value = constants.get(pad.input[2]) if len(pad.input) > 2 and pad.input[2] else np.float32(0)
    return constant and value is not None and not np.any(value)
