"""Passes over tf2onnx's graphs: remove identity Reshapes; keep ONNX Runtime from fusing zero padding into max pooling.

tf2onnx keeps or removes Reshapes that change no shape depending on the iteration order of sets; removing all of them
makes the bytes reproducible. ONNX Runtime 1.31 fuses a Pad with zeros into the MaxPool behind it, which then pads with
the lowest number: where all values around are negative, the zeros at the edge are lost. After a ReLU nothing is
negative, and the fusion is welcome.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

_ALMOST_ZERO_PAD: Final = np.float32(1e-30)  # ONNX Runtime fuses zeros only
_MAX_SHAPE_ELEMENTS: Final = 64  # constants up to this size may be shapes

SideLengths = list[int | None]


def remove_identity_reshapes(model: onnx.ModelProto) -> None:
    """Remove each Reshape of `model` whose output has the shape of its input; changes the model in place."""
    graph = model.graph
    shapes, constants = _infer_shapes(model), {tensor.name: tensor for tensor in graph.initializer}
    outputs = {value.name for value in graph.output}
    replacements: dict[str, str] = {}
    for node in [node for node in graph.node if node.op_type == "Reshape"]:
        source, target = shapes.get(node.input[0]), constants.get(node.input[1])
        if source and target is not None and node.output[0] not in outputs and _is_identity_reshape(source, target):
            replacements[node.output[0]] = node.input[0]
            graph.node.remove(node)
    for node in graph.node:
        for place, name in enumerate(node.input):
            while name in replacements:
                name = replacements[name]
            node.input[place] = name


def _is_identity_reshape(source: SideLengths, target: onnx.TensorProto) -> bool:
    """Return whether reshaping to `target` keeps a shape: all known sides are equal, and at most one is inferred."""
    target_sides = numpy_helper.to_array(target).tolist()
    return (
        len(target_sides) == len(source)
        and target_sides.count(-1) <= 1
        and all(target_side in (-1, side) for target_side, side in zip(target_sides, source, strict=True))
    )


def _infer_shapes(model: onnx.ModelProto) -> dict[str, SideLengths]:
    """Return the inferred shape of each value, None for a free side; large constants are not copied."""
    graph = model.graph
    inputs, small = list(graph.input), []
    for tensor in graph.initializer:
        if math.prod(tensor.dims) <= _MAX_SHAPE_ELEMENTS:
            small.append(tensor)
        else:
            inputs.append(onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    light_graph = onnx.helper.make_graph(graph.node, "shapes", inputs, graph.output, small)
    opsets = list(model.opset_import)
    typed_graph = onnx.shape_inference.infer_shapes(onnx.helper.make_model(light_graph, opset_imports=opsets)).graph
    return {
        value.name: [side.dim_value or None for side in value.type.tensor_type.shape.dim]
        for value in (*typed_graph.value_info, *typed_graph.input)
    }


def prevent_pad_fusion(graph: onnx.GraphProto) -> None:
    """Make each zero Pad before a MaxPool, unless it follows a ReLU, pad with 1e-30 instead, in place."""
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
