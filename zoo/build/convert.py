"""Keras model -> ONNX graph in canonical form, with its batch normalisation folded away."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import keras
import numpy as np
import onnx
import tensorflow as tf
from numpy.typing import NDArray
from tf2onnx.optimizer import optimize_graph
from tf2onnx.tfonnx import process_tf_graph

from zoo.build.canonical import canonical
from zoo.build.fold import fold
from zoo.build.frozen import FrozenGraph, freeze_graph
from zoo.build.pads import prevent_pad_fusion
from zoo.build.reshapes import remove_identity_reshapes

IMAGE_OPSET: Final = 18  # the newest that tf2onnx writes


def image_model_to_onnx(model: keras.Model, output: str = "features") -> onnx.ModelProto:
    """Return `model` as an ONNX graph from `image` to what is to be called `output`; the batch axis is free."""
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
    """Return the ONNX graph that tf2onnx makes of a frozen one; what was kept apart is an input of it."""
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
    """Let the graphs that tf2onnx copies at each step go soon: each refers to itself, and has all the weights.

    Python looks at what has lived long only when a quarter as much is new, and TensorFlow is a million objects.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _inline_constant_inputs(graph: onnx.GraphProto, constant_inputs: Mapping[str, NDArray[Any]]) -> None:
    """Make constants of the inputs that stand for what was kept apart."""
    for value in [value for value in graph.input if value.name in constant_inputs]:
        graph.initializer.append(onnx.numpy_helper.from_array(constant_inputs[value.name], value.name))
        graph.input.remove(value)


@contextmanager
def _inline_functions() -> Iterator[None]:
    """Let functions inside of the traced one be part of it: Keras compiles grouped convolutions apart, by XLA."""
    run_eagerly = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(run_eagerly)


def _convert_erfc(graph: Any, node: Any, name: str, _: Sequence[Any]) -> Any:  # noqa: ANN401 - tf2onnx has no types
    """Write 1 - erf(x), which ONNX has, for erfc(x), which it has not: exact GELU is made of it."""
    node.type = "Erf"
    dtype = graph.get_dtype(node.output[0])
    shape = graph.get_shape(node.output[0])
    one = graph.make_const(f"{name}_one", np.array(1.0, "float32"))
    readers = graph.find_output_consumers(node.output[0])
    difference = graph.make_node("Sub", [one.output[0], node.output[0]], dtypes=[dtype], shapes=[shape])
    for reader in readers:
        graph.replace_input(reader, node.output[0], difference.output[0])
    return difference
