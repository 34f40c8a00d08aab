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

from zoo.errors import BundleUnsupported

Value = Any  # a Keras tensor, or a constant array
Attributes = Mapping[str, Any]


def outputs_of(head: Path, features: keras.KerasTensor) -> dict[str, keras.KerasTensor]:
    """Return what the head makes of `features`, float32 [n,d], by name: scores, and novelty where it tells that.

    Raises:
        BundleUnsupported: it has an operator that no head of ours has.
    """
    model = onnx.load(head, load_external_data=False)
    values: dict[str, Value] = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    values[model.graph.input[0].name] = features
    for node in model.graph.node:
        if node.op_type not in _OPERATORS:
            raise BundleUnsupported(
                f"{head} has the operator {node.op_type}, for which there is no Keras form here. Export it as onnx."
            )
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        values[node.output[0]] = _OPERATORS[node.op_type](attributes, *(values[name] for name in node.input))
    # A layer that only names: outputs keep their names in a SavedModel whatever operator they come from.
    return {out.name: keras.layers.Identity(name=out.name)(values[out.name]) for out in model.graph.output}


def _gemm(attributes: Attributes, rows: Value, kernel: Value, bias: Value | None = None) -> Value:
    return _dense(rows, kernel.T if attributes.get("transB") else kernel, bias)


def _dense(rows: Value, kernel: NDArray[np.float32], bias: NDArray[np.float32] | None) -> Value:
    """Multiply by a layer, not by a constant: Keras writes constants as text, weights as numbers."""
    layer = keras.layers.Dense(kernel.shape[1], use_bias=bias is not None)
    result = layer(rows)
    layer.set_weights([kernel] if bias is None else [kernel, bias])
    return result


def _least(attributes: Attributes, rows: Value, count: Value) -> Value:
    if attributes.get("largest", 1) or count.tolist() != [1]:
        raise BundleUnsupported("the head has a TopK that seeks more than the least number. Export it as onnx.")
    return keras.ops.min(rows, axis=-1, keepdims=True)


def _flat(_: Attributes, rows: Value, shape: Value) -> Value:
    return keras.ops.reshape(rows, shape.tolist())


def _sum(_: Attributes, first: Value, *rest: Value) -> Value:
    for value in rest:
        first = keras.ops.add(first, value)
    return first


_OPERATORS: Final[dict[str, Callable[..., Value]]] = {
    "Clip": lambda _, x, low, high: keras.ops.clip(x, float(low), float(high)),
    "Exp": lambda _, x: keras.ops.exp(x),
    "Gemm": _gemm,
    "Identity": lambda _, x: x,
    "Log": lambda _, x: keras.ops.log(x),
    "MatMul": lambda _, x, kernel: _dense(x, kernel, None),
    "Max": lambda _, x, y: keras.ops.maximum(x, y),
    "Mul": lambda _, x, y: keras.ops.multiply(x, y),
    "Reshape": _flat,
    "Sigmoid": lambda _, x: keras.ops.sigmoid(x),
    "Softmax": lambda attributes, x: keras.ops.softmax(x, axis=attributes.get("axis", -1)),
    "Sqrt": lambda _, x: keras.ops.sqrt(x),
    "Sub": lambda _, x, y: keras.ops.subtract(x, y),
    "Sum": _sum,
    "TopK": _least,
}
