"""head.onnx once more in Keras: the same operators on a trunk's features, in layers that plain Keras opens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from graft.errors import BundleUnsupported

TensorOrArray = Any  # a Keras tensor, or a constant array
NodeAttributes = Mapping[str, Any]


def apply_head_in_keras(head: Path, features: keras.KerasTensor) -> dict[str, keras.KerasTensor]:
    """Return what the head makes of `features`, float32 [n,d], by name: scores, and novelty where it tells that.

    Raises:
        BundleUnsupported: it has an operator that no head of ours has.
    """
    model = onnx.load(head, load_external_data=False)
    values: dict[str, TensorOrArray] = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    values[model.graph.input[0].name] = features
    for node in model.graph.node:
        if node.op_type not in _KERAS_OPERATORS:
            raise BundleUnsupported(
                f"{head} has the operator {node.op_type}, for which there is no Keras form here. Export it as onnx."
            )
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        values[node.output[0]] = _KERAS_OPERATORS[node.op_type](attributes, *(values[name] for name in node.input))
    # A layer that only names: outputs keep their names in a SavedModel whatever operator they come from.
    return {out.name: keras.layers.Identity(name=out.name)(values[out.name]) for out in model.graph.output}


def _gemm(
    attributes: NodeAttributes, rows: TensorOrArray, kernel: TensorOrArray, bias: TensorOrArray | None = None
) -> TensorOrArray:
    return _dense_layer(rows, kernel.T if attributes.get("transB") else kernel, bias)


def _dense_layer(rows: TensorOrArray, kernel: NDArray[np.float32], bias: NDArray[np.float32] | None) -> TensorOrArray:
    """Multiply by a layer, not by a constant: Keras writes constants as text, weights as numbers."""
    layer = keras.layers.Dense(kernel.shape[1], use_bias=bias is not None)
    result = layer(rows)
    layer.set_weights([kernel] if bias is None else [kernel, bias])
    return result


def _top_k(attributes: NodeAttributes, rows: TensorOrArray, count: TensorOrArray) -> TensorOrArray:
    if attributes.get("largest", 1) or count.tolist() != [1]:
        raise BundleUnsupported("the head has a TopK that seeks more than the least number. Export it as onnx.")
    return keras.ops.min(rows, axis=-1, keepdims=True)


def _reshape(_: NodeAttributes, rows: TensorOrArray, shape: TensorOrArray) -> TensorOrArray:
    return keras.ops.reshape(rows, shape.tolist())


def _sum(_: NodeAttributes, first: TensorOrArray, *rest: TensorOrArray) -> TensorOrArray:
    for value in rest:
        first = keras.ops.add(first, value)
    return first


_KERAS_OPERATORS: Final[dict[str, Callable[..., TensorOrArray]]] = {
    "Clip": lambda _, x, low, high: keras.ops.clip(x, float(low), float(high)),
    "Exp": lambda _, x: keras.ops.exp(x),
    "Gemm": _gemm,
    "Identity": lambda _, x: x,
    "Log": lambda _, x: keras.ops.log(x),
    "MatMul": lambda _, x, kernel: _dense_layer(x, kernel, None),
    "Max": lambda _, x, y: keras.ops.maximum(x, y),
    "Mul": lambda _, x, y: keras.ops.multiply(x, y),
    "Reshape": _reshape,
    "Sigmoid": lambda _, x: keras.ops.sigmoid(x),
    "Softmax": lambda attributes, x: keras.ops.softmax(x, axis=attributes.get("axis", -1)),
    "Sqrt": lambda _, x: keras.ops.sqrt(x),
    "Sub": lambda _, x, y: keras.ops.subtract(x, y),
    "Sum": _sum,
    "TopK": _top_k,
}
