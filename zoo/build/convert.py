"""Keras model -> ONNX graph in canonical form, with its batch normalisation folded away."""

from __future__ import annotations

from typing import Final

import keras
import onnx
import tensorflow as tf
import tf2onnx
from onnx import numpy_helper

from zoo.build.canonical import canonical
from zoo.build.fold import fold
from zoo.build.tracing import convertible

OPSET: Final = 18  # the newest that tf2onnx writes


def to_onnx(model: keras.Model, output: str = "features") -> onnx.ModelProto:
    """Return `model` as an ONNX graph from `image` to what is to be called `output`; the batch axis is free."""
    size = model.inputs[0].shape[1]

    @tf.function(input_signature=[tf.TensorSpec((None, size, size, 3), tf.uint8, name="image")])  # type: ignore[untyped-decorator]
    def infer(image: tf.Tensor) -> dict[str, tf.Tensor]:
        return {output: model(image, training=False)}

    with convertible():
        traced = infer.get_concrete_function()
    converted, _ = tf2onnx.convert.from_function(infer, input_signature=infer.input_signature, opset=OPSET)
    return canonical(fold(_bound(converted, traced)))


def _bound(model: onnx.ModelProto, traced: tf.types.experimental.ConcreteFunction) -> onnx.ModelProto:
    """Return `model` with the constants that its function captured; tf2onnx takes them for inputs."""
    captured = {inner.name: outer for outer, inner in traced.graph.captures if outer.dtype != tf.resource}
    for value in [value for value in model.graph.input if value.name in captured]:
        model.graph.initializer.append(numpy_helper.from_array(captured[value.name].numpy(), value.name))
        model.graph.input.remove(value)
    return model
