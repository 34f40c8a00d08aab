"""A traced function -> its graph with weights in it, but for the large matrices: those are kept apart.

tf2onnx copies its graph, with all the weights, at each of a dozen steps, some of them several times. A matrix that is
only ever multiplied with goes through unchanged, so it may as well be an input on the way. ConvNeXt-XLarge, 1.4 GB of
weights, was more than 24 GB of memory could take with them inside; apart, 18 GB were enough.
"""

from __future__ import annotations

import gc
from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Final

import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2
from tf2onnx import tf_loader

_MIN_LARGE_BYTES: Final = 1 << 16  # bytes; below that nothing is gained

Consumers = dict[str, list[tuple[Any, int]]]


@dataclass(frozen=True, slots=True)
class FrozenGraph:
    """A graph without variables; `constant_inputs` has by name what are inputs of it only for the time being."""

    graph: Any  # tf.compat.v1.GraphDef
    inputs: list[str]
    outputs: list[str]
    constant_inputs: dict[str, NDArray[Any]]


def freeze_graph(traced: Any) -> FrozenGraph:  # noqa: ANN401 - TensorFlow has no types
    """Return the graph of a tf.function that is traced once, simplified by TensorFlow's own optimiser."""
    # What a layer holds without a variable is an input already.
    constant_inputs = {
        inner.name: outer.numpy() for outer, inner in traced.graph.captures if outer.dtype != tf.resource
    }
    inputs = [tensor.name for tensor in traced.inputs if tensor.dtype != tf.resource]
    outputs = [tensor.name for tensor in traced.outputs]
    constant_function = convert_variables_to_constants_v2(traced, lower_control_flow=False, aggressive_inlining=True)
    graph = constant_function.graph.as_graph_def(add_shapes=True)
    matrices = _extract_large_matrices(graph)
    del constant_function
    gc.collect()  # graphs refer to themselves, and each has all the weights
    with tf.Graph().as_default():
        graph = tf_loader.tf_optimize([*inputs, *matrices], outputs, graph)
    return FrozenGraph(graph, [*inputs, *matrices], outputs, constant_inputs | matrices)


def _extract_large_matrices(graph: Any) -> dict[str, NDArray[Any]]:  # noqa: ANN401
    """Make inputs of the large matrices that are only multiplied with, and return them by name."""
    consumers: Consumers = defaultdict(list)
    for node in graph.node:
        for place, name in enumerate(name for name in node.input if not name.startswith("^")):
            consumers[name.partition(":")[0]].append((node, place))
    matrices = {}
    for node in [node for node in graph.node if node.op == "Const" and node.ByteSize() > _MIN_LARGE_BYTES]:
        tensor = node.attr["value"].tensor
        if len(tensor.tensor_shape.dim) == 2 and _is_only_multiplied(node.name, consumers):
            matrices[f"{node.name}:0"] = tf.make_ndarray(tensor)
            node.CopyFrom(_placeholder_like(node))
    return matrices


def _is_only_multiplied(name: str, consumers: Consumers) -> bool:
    return name in consumers and all(
        (node.op == "MatMul" and place == 1 and not node.attr["transpose_b"].b)
        or (node.op == "Identity" and _is_only_multiplied(node.name, consumers))
        for node, place in consumers[name]
    )


def _placeholder_like(constant: Any) -> Any:  # noqa: ANN401
    node = tf.compat.v1.NodeDef(name=constant.name, op="Placeholder")
    node.attr["dtype"].type = constant.attr["dtype"].type
    node.attr["shape"].shape.CopyFrom(constant.attr["value"].tensor.tensor_shape)
    return node
