"""A bundle's trunk as Keras has it, with its head on top: what SavedModel, TFLite and Keras' own file are made of."""

from __future__ import annotations

from pathlib import Path

import keras

from graft.bundle.open_bundle import Bundle
from graft.errors import BundleUnsupported
from zoo.catalog.backbone import ImageSpec
from zoo.catalog.find import get_backbone
from zoo.convert.keras_models.head_to_keras import apply_head_in_keras
from zoo.convert.networks import build_backbone_network, trunk_from_network
from zoo.weights.preset_config import resolve_preset

HEAD_LAYER = "head"  # what the last dense layer of a bundle's model.keras is called


def rebuild_keras_model(bundle: Bundle, weights: Path | None) -> keras.Model:
    """Return the whole model: the bundle's inputs by name -> features, and what the head makes of them, by name.

    The trunk comes from model.keras where the bundle has one, else from the backbone's `weights`. Only what plain
    Keras, or KerasHub for texts, can open is in it, and layers of the user's own that Keras was told of.

    Raises:
        BundleUnsupported: there is no Keras form of this bundle.
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
    """Return the trunk in model.keras: all that is below its dense layer."""
    import zoo.convert.networks.text  # noqa: F401 - names the layers that pool texts

    try:
        model = keras.models.load_model(path, compile=False, safe_mode=True)
    except (ValueError, TypeError, OSError) as fault:
        said = " ".join(str(fault).split())[:300]
        raise BundleUnsupported(
            f"{path} cannot be opened here ({said}). Name layers of your own by --custom module:Class."
        ) from None
    return _replace_custom_pooling(keras.Model(model.inputs, model.get_layer(HEAD_LAYER).input))


def _build_trunk_from_backbone(bundle: Bundle, weights: Path | None) -> keras.Model:
    backbone = get_backbone(str(bundle.manifest.backbone["name"]))
    if weights is None:
        raise BundleUnsupported(
            f"{bundle.layout.root} has no model.keras, and the weights of its backbone are not here."
        )
    backbone = resolve_preset(backbone, weights.parent)
    if isinstance(backbone.takes, ImageSpec):
        inner = build_backbone_network(backbone, weights)
        # Whatever class its library gives it: a plain one opens without that library.
        return trunk_from_network(backbone, keras.Model(inner.input, inner.output, name=inner.name))
    from zoo.convert.text_trunk import load_text_encoder

    return _replace_custom_pooling(load_text_encoder(backbone, weights)[0])


def _replace_custom_pooling(model: keras.Model) -> keras.Model:
    """Return `model` with its pooling, a layer of Graft's, in operations that plain Keras knows."""
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
