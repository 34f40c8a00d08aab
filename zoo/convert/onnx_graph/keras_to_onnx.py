"""Convert a Keras image model to an ONNX graph in canonical form, through tf2onnx, with batch normalization folded.

tf2onnx copies its graph, with all weights, at each of a dozen steps, some of them several times. A matrix that is only
used in multiplications goes through unchanged, so large ones are graph inputs during the conversion and become
constants again afterwards. ConvNeXt-XLarge, 1.4 GB of weights, needs 18 GB of memory this way, and more than 24 GB
otherwise.
"""

from __future__ import annotations

import gc
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import keras
import numpy as np
import onnx
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2
from tf2onnx import tf_loader
from tf2onnx.optimizer import optimize_graph
from tf2onnx.tfonnx import process_tf_graph

from zoo.convert.onnx_graph.canonical import canonical
from zoo.convert.onnx_graph.fold_batchnorm import fold
from zoo.convert.onnx_graph.graph_fixes import prevent_pad_fusion, remove_identity_reshapes

IMAGE_OPSET: Final = 18  # the newest that tf2onnx writes
_MIN_LARGE_BYTES: Final = 1 << 16  # smaller matrices are not worth it

Consumers = dict[str, list[tuple[Any, int]]]


def image_model_to_onnx(model: keras.Model, output: str = "features") -> onnx.ModelProto:
    """Return `model` as an ONNX graph: `image`, uint8 [n,s,s,3] -> an output named `output`; the batch size is free."""
    size = model.inputs[0].shape[1]

    @tf.function(input_signature=[tf.TensorSpec((None, size, size, 3), tf.uint8, name="image")])  # type: ignore[untyped-decorator]
    def infer(image: tf.Tensor) -> dict[str, tf.Tensor]:
        return {output: model(image, training=False)}

    with _inline_functions():
        graph = freeze_graph(infer.get_concrete_function())
    onnx_model = _convert_graph(graph, output)
    _inline_constant_inputs(onnx_model.graph, graph.constant_inputs)
    folded_model = fold(onnx_model)
    prevent_pad_fusion(folded_model.graph)
    remove_identity_reshapes(folded_model)
    return canonical(folded_model)


def _convert_graph(frozen: FrozenGraph, output: str) -> onnx.ModelProto:
    """Convert a frozen graph by tf2onnx; its `constant_inputs` are still inputs of the result."""
    names = {frozen.inputs[0]: "image", frozen.outputs[0]: output}
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(frozen.graph, name="")
        optimizable = process_tf_graph(
            graph,
            opset=IMAGE_OPSET,
            custom_op_handlers={"Erfc": (_convert_erfc, [])},
            input_names=frozen.inputs,
            output_names=frozen.outputs,
            tensors_to_rename=names,
        )
    with _eager_garbage_collection():
        model: onnx.ModelProto = optimize_graph(optimizable).make_model("trunk")
    return model


@contextmanager
def _eager_garbage_collection() -> Iterator[None]:
    """Free the graphs that tf2onnx copies at each step early: each is a reference cycle with all the weights.

    Python collects its oldest generation only after it has grown by a quarter, and TensorFlow is a million objects;
    `gc.freeze()` keeps those out of the count.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _inline_constant_inputs(graph: onnx.GraphProto, constant_inputs: Mapping[str, NDArray[Any]]) -> None:
    """Turn the inputs named in `constant_inputs` into constants."""
    for value in [value for value in graph.input if value.name in constant_inputs]:
        graph.initializer.append(onnx.numpy_helper.from_array(constant_inputs[value.name], value.name))
        graph.input.remove(value)


@contextmanager
def _inline_functions() -> Iterator[None]:
    """Inline nested functions into the traced one: Keras compiles grouped convolutions separately, by XLA."""
    run_eagerly = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(run_eagerly)


def _convert_erfc(graph: Any, node: Any, name: str, _: Sequence[Any]) -> Any:  # noqa: ANN401 - tf2onnx has no types
    """Replace erfc(x), which ONNX lacks and exact GELU needs, by 1 - erf(x)."""
    node.type = "Erf"
    dtype = graph.get_dtype(node.output[0])
    shape = graph.get_shape(node.output[0])
    one = graph.make_const(f"{name}_one", np.array(1.0, "float32"))
    readers = graph.find_output_consumers(node.output[0])
    difference = graph.make_node("Sub", [one.output[0], node.output[0]], dtypes=[dtype], shapes=[shape])
    for reader in readers:
        graph.replace_input(reader, node.output[0], difference.output[0])
    return difference


@dataclass(frozen=True, slots=True)
class FrozenGraph:
    """A TensorFlow graph without variables; `constant_inputs` are weights that are inputs for now, by name."""

    graph: Any  # tf.compat.v1.GraphDef
    inputs: list[str]
    outputs: list[str]
    constant_inputs: dict[str, NDArray[Any]]


def freeze_graph(traced: Any) -> FrozenGraph:  # noqa: ANN401 - TensorFlow has no types
    """Return the graph of a traced tf.function with its variables frozen, simplified by TensorFlow's optimizer."""
    # Arrays that a layer captures without a variable are inputs already.
    constant_inputs = {
        inner.name: outer.numpy() for outer, inner in traced.graph.captures if outer.dtype != tf.resource
    }
    inputs = [tensor.name for tensor in traced.inputs if tensor.dtype != tf.resource]
    outputs = [tensor.name for tensor in traced.outputs]
    constant_function = convert_variables_to_constants_v2(traced, lower_control_flow=False, aggressive_inlining=True)
    graph = constant_function.graph.as_graph_def(add_shapes=True)
    matrices = _extract_large_matrices(graph)
    del constant_function
    gc.collect()  # graphs are reference cycles, and each has all the weights
    with tf.Graph().as_default():
        graph = tf_loader.tf_optimize([*inputs, *matrices], outputs, graph)
    return FrozenGraph(graph, [*inputs, *matrices], outputs, constant_inputs | matrices)


def _extract_large_matrices(graph: Any) -> dict[str, NDArray[Any]]:  # noqa: ANN401
    """Turn large matrices that are only used in multiplications into inputs; return them by name."""
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
