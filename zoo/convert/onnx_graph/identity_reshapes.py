"""Reshapes that change no shape, left out: tf2onnx leaves some of them or not, by the order in which it walks sets."""

from __future__ import annotations

import math
from typing import Final

import onnx
from onnx import numpy_helper

_MAX_SHAPE_ELEMENTS: Final = 64  # numbers; shapes are told by such constants

SideLengths = list[int | None]


def remove_identity_reshapes(model: onnx.ModelProto) -> None:
    """Take each Reshape that gives what it gets out of `model`."""
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
    """Say whether a shape becomes itself: all its known sides stand in `target`, and at most one is left to find."""
    target_sides = numpy_helper.to_array(target).tolist()
    return (
        len(target_sides) == len(source)
        and target_sides.count(-1) <= 1
        and all(want in (-1, side) for want, side in zip(target_sides, source, strict=True))
    )


def _infer_shapes(model: onnx.ModelProto) -> dict[str, SideLengths]:
    """Return the shape of each value as far as it is told, None for a free side; large constants are not copied."""
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
