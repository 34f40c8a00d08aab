"""Rebuild a bundle as one Keras model, trunk and head: the source of the SavedModel, TFLite and .keras exports.

The trunk comes from model.keras or from the backbone's weights; the head's ONNX operators are mapped to Keras layers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from graft.bundle.open_bundle import Bundle
from graft.errors import BundleUnsupported
from zoo.catalog.backbone import ImageSpec
from zoo.catalog.find import get_backbone
from zoo.convert.networks import build_backbone_network, trunk_from_network
from zoo.weights.preset_config import resolve_preset

HEAD_LAYER: Final = "head"  # name of the last dense layer in a bundle's model.keras

TensorOrArray = Any  # a Keras tensor, or a constant array
NodeAttributes = Mapping[str, Any]


def rebuild_keras_model(bundle: Bundle, weights: Path | None) -> keras.Model:
    """Return the whole model: the bundle's inputs by name -> features, float32 [n,d], and the head's outputs, by name.

    The trunk comes from model.keras if the bundle has one, otherwise from the backbone's `weights`. The model opens
    with plain Keras, or with KerasHub for texts, plus custom layers in the current `custom_object_scope`.

    Raises:
        BundleUnsupported: this bundle cannot be rebuilt in Keras.
        WeightsError: the file does not hold the backbone's weights.
    """
    keras_file = bundle.layout.root / "model.keras"
    trunk = (
        _load_trunk_from_keras_file(keras_file)
        if keras_file.name in bundle.manifest.files
        else _build_trunk_from_backbone(bundle, weights)
    )
    inputs = {tensor.name.split(":")[0]: tensor for tensor in trunk.inputs}
    input_names = [tensor.name for tensor in bundle.manifest.signature.inputs]
    if sorted(inputs) != sorted(input_names):
        raise BundleUnsupported(
            f"the Keras model takes {', '.join(inputs)}, the bundle {', '.join(input_names)}. Export it as onnx."
        )
    features = keras.layers.Identity(name="features")(trunk.output)
    head_outputs = (
        apply_head_in_keras(bundle.layout.head, features) if len(bundle.manifest.signature.outputs) > 1 else {}
    )
    return keras.Model(
        {name: inputs[name] for name in input_names}, {"features": features, **head_outputs}, name="grafted"
    )


def _load_trunk_from_keras_file(path: Path) -> keras.Model:
    """Return the trunk in model.keras: all layers below its last dense layer."""
    import zoo.convert.networks.text  # noqa: F401 - registers the pooling layers

    try:
        model = keras.models.load_model(path, compile=False, safe_mode=True)
    except (ValueError, TypeError, OSError) as fault:
        reason = " ".join(str(fault).split())[:300]
        raise BundleUnsupported(
            f"{path} cannot be opened here ({reason}). Name custom layers by --custom module:Class."
        ) from None
    return _replace_custom_pooling(keras.Model(model.inputs, model.get_layer(HEAD_LAYER).input))


def _build_trunk_from_backbone(bundle: Bundle, weights: Path | None) -> keras.Model:
    backbone = get_backbone(str(bundle.manifest.backbone["name"]))
    if weights is None:
        raise BundleUnsupported(
            f"{bundle.layout.root} has no model.keras, and its backbone's weights are not here. Export it as onnx."
        )
    backbone = resolve_preset(backbone, weights.parent)
    if isinstance(backbone.takes, ImageSpec):
        inner = build_backbone_network(backbone, weights)
        # A plain Model, not its library's subclass: it opens without that library.
        return trunk_from_network(backbone, keras.Model(inner.input, inner.output, name=inner.name))
    from zoo.convert.text_trunk import load_text_encoder

    return _replace_custom_pooling(load_text_encoder(backbone, weights)[0])


def _replace_custom_pooling(model: keras.Model) -> keras.Model:
    """Return `model` with Graft's pooling layer replaced by Keras operations."""
    last = model.output._keras_history.operation
    if type(last).__name__ == "MeanOverMask":
        tokens, mask = last.input
        counts = keras.ops.expand_dims(keras.ops.cast(mask, "float32"), -1)
        features = keras.ops.sum(tokens * counts, axis=1) / keras.ops.maximum(keras.ops.sum(counts, axis=1), 1.0)
    elif type(last).__name__ == "FirstToken":
        features = last.input[:, 0, :]
    else:
        return model
    return keras.Model(model.inputs, features)


def apply_head_in_keras(head: Path, features: keras.KerasTensor) -> dict[str, keras.KerasTensor]:
    """Apply head.onnx to `features`, float32 [n,d]; return its outputs by name: scores [n,k], perhaps novelty [n].

    Raises:
        BundleUnsupported: the head has an operator without a Keras equivalent here.
    """
    model = onnx.load(head, load_external_data=False)
    values: dict[str, TensorOrArray] = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    values[model.graph.input[0].name] = features
    for node in model.graph.node:
        if node.op_type not in _KERAS_OPERATORS:
            raise BundleUnsupported(
                f"{head} has the operator {node.op_type}, which cannot be converted to Keras. Export it as onnx."
            )
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        values[node.output[0]] = _KERAS_OPERATORS[node.op_type](attributes, *(values[name] for name in node.input))
    # An Identity layer per output: it keeps the output's name in a SavedModel.
    return {out.name: keras.layers.Identity(name=out.name)(values[out.name]) for out in model.graph.output}


def _gemm(
    attributes: NodeAttributes, rows: TensorOrArray, kernel: TensorOrArray, bias: TensorOrArray | None = None
) -> TensorOrArray:
    return _dense_layer(rows, kernel.T if attributes.get("transB") else kernel, bias)


def _dense_layer(rows: TensorOrArray, kernel: NDArray[np.float32], bias: NDArray[np.float32] | None) -> TensorOrArray:
    """Multiply through a Dense layer: Keras saves constants as JSON text, weights in binary."""
    layer = keras.layers.Dense(kernel.shape[1], use_bias=bias is not None)
    result = layer(rows)
    layer.set_weights([kernel] if bias is None else [kernel, bias])
    return result


def _top_k(attributes: NodeAttributes, rows: TensorOrArray, count: TensorOrArray) -> TensorOrArray:
    if attributes.get("largest", 1) or count.tolist() != [1]:
        raise BundleUnsupported("the head has a TopK other than the minimum. Export it as onnx.")
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
