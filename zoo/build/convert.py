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
from zoo.build.frozen import Frozen, freeze
from zoo.build.pads import shield_pads
from zoo.build.reshapes import drop_reshapes

OPSET: Final = 18  # the newest that tf2onnx writes


def to_onnx(model: keras.Model, output: str = "features") -> onnx.ModelProto:
    """Return `model` as an ONNX graph from `image` to what is to be called `output`; the batch axis is free."""
    size = model.inputs[0].shape[1]

    @tf.function(input_signature=[tf.TensorSpec((None, size, size, 3), tf.uint8, name="image")])  # type: ignore[untyped-decorator]
    def infer(image: tf.Tensor) -> dict[str, tf.Tensor]:
        return {output: model(image, training=False)}

    with _functions_inlined():
        frozen = freeze(infer.get_concrete_function())
    converted = _converted(frozen, output)
    _hold(converted.graph, frozen.apart)
    folded = fold(converted)
    shield_pads(folded.graph)
    drop_reshapes(folded)
    return canonical(folded)


def _converted(frozen: Frozen, output: str) -> onnx.ModelProto:
    """Return the ONNX graph that tf2onnx makes of a frozen one; what was kept apart is an input of it."""
    names = {frozen.inputs[0]: "image", frozen.outputs[0]: output}
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(frozen.graph, name="")
        written = process_tf_graph(
            graph,
            opset=OPSET,
            custom_op_handlers={"Erfc": (_erfc, [])},
            input_names=frozen.inputs,
            output_names=frozen.outputs,
            tensors_to_rename=names,
        )
    with _garbage_collected():
        model: onnx.ModelProto = optimize_graph(written).make_model("trunk")
    return model


@contextmanager
def _garbage_collected() -> Iterator[None]:
    """Let the graphs that tf2onnx copies at each step go soon: each refers to itself, and has all the weights.

    Python looks at what has lived long only when a quarter as much is new, and TensorFlow is a million objects.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _hold(graph: onnx.GraphProto, apart: Mapping[str, NDArray[Any]]) -> None:
    """Make constants of the inputs that stand for what was kept apart."""
    for value in [value for value in graph.input if value.name in apart]:
        graph.initializer.append(onnx.numpy_helper.from_array(apart[value.name], value.name))
        graph.input.remove(value)


@contextmanager
def _functions_inlined() -> Iterator[None]:
    """Let functions inside of the traced one be part of it: Keras compiles grouped convolutions apart, by XLA."""
    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


def _erfc(graph: Any, node: Any, name: str, _: Sequence[Any]) -> Any:  # noqa: ANN401 - tf2onnx has no types
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
