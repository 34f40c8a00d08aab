"""The own classifier of a network of keras.applications: its last dense layer, taken out of the whole."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import keras
import numpy as np

from graft.errors import RecipeError, TrunkError, WeightsError
from graft.inputs.image import ImageInput
from graft.types import Float32Array
from zoo.catalog.backbone import Backbone
from zoo.convert.networks import (
    build_backbone_network,
    build_trunk_network,
    network_input_size,
    require_pixels,
    scale_pixels,
)
from zoo.convert.networks.applications_networks import build_application_classifier
from zoo.convert.networks.split_last_dense import drop_last_dense, find_last_dense
from zoo.convert.parity import PARITY_TOLERANCE
from zoo.sample_inputs import load_photos
from zoo.weights.preset_config import resolve_preset

_WEIGHT_TOLERANCE: Final = 1e-5  # of the largest number of a weight: files of one checkpoint differ by rounding at most
_HEAD_ACTIVATIONS: Final = (keras.activations.linear, keras.activations.softmax)


def extract_application_head(
    backbone: Backbone, factory: str, weights: Path, top_file: Path | None
) -> tuple[Float32Array, Float32Array]:
    """Return kernel [d,k] and bias [k] of the last layer of the network that `keras.applications` calls `factory`.

    `weights` is what the trunk is built from. Where that has no top, `top_file` is the same network's file with it.

    Raises:
        TrunkError: it does not end with a dense layer.
        WeightsError: the file does not hold this network, or `top_file` is of another training than `weights`.
    """
    file = top_file or weights
    try:
        model = build_application_classifier(factory, require_pixels(backbone).size, file)
    except (OSError, ValueError, KeyError, TypeError) as fault:  # Keras' for files that are not its own
        reason = " ".join(str(fault).split())[:300]
        raise WeightsError(
            f"{file} does not hold {factory} with its top ({reason}). Delete it and run again."
        ) from None
    dense = find_last_dense(model)
    if top_file is not None:
        _require_same_training(build_backbone_network(backbone, weights), model, dense, top_file)
    kernel, bias = (np.asarray(weight, np.float32) for weight in dense.get_weights())
    return kernel.reshape(kernel.shape[-2:]), bias


def _require_same_training(
    trunk_body: keras.Model, classifier: keras.Model, dense: keras.layers.Layer, top_file: Path
) -> None:
    """Refuse a classifier that was trained on other maps than the trunk gives.

    A Normalization layer is passed over: the trunk may have its own, and nothing in it is learnt.
    """
    trunk_weights, classifier_weights = (
        _weights_with_layers(trunk_body),
        [pair for pair in _weights_with_layers(classifier) if pair[0] is not dense],
    )
    arrays = [(a, b) for (_, a), (_, b) in zip(trunk_weights, classifier_weights, strict=False)]
    same = len(trunk_weights) == len(classifier_weights) and all(
        a.shape == b.shape
        and float(np.abs(a - b).max(initial=0)) <= _WEIGHT_TOLERANCE * float(np.abs(a).max(initial=1e-30))
        for a, b in arrays
    )
    if not same:
        raise WeightsError(
            f"{top_file} is not of the same training as the weights without a top, so its classifier does not fit the "
            "trunk. Use `finetune` on pictures of your own instead."
        )


def _weights_with_layers(model: keras.Model) -> list[tuple[keras.layers.Layer, Float32Array]]:
    layers = [layer for layer in model.layers if not isinstance(layer, keras.layers.Normalization)]
    return [(layer, np.asarray(weight)) for layer in layers for weight in layer.get_weights()]


def extract_preset_head(backbone: Backbone, weights: Path) -> tuple[Float32Array, Float32Array]:
    """Return kernel [d,k] and bias [k] of the classifier in the preset's folder, where `weights` is the trunk's file.

    Raises:
        RecipeError: it is not one dense layer on the features that the trunk gives.
        WeightsError: the files do not hold it.
    """
    from zoo.convert.networks.keras_hub_networks import (
        load_preset_classifier,  # a network of keras.applications needs no KerasHub
    )

    folder = weights.parent
    task = load_preset_classifier(folder)
    try:
        dense, body = find_last_dense(task), drop_last_dense(task)
    except TrunkError as fault:
        raise RecipeError(f"{fault}. `finetune` trains one on your own pictures.") from None
    if dense.activation not in _HEAD_ACTIVATIONS:
        raise RecipeError(f"it ends with {dense.activation.__name__}; allowed are linear and softmax.")
    if not _is_on_trunk_features(resolve_preset(backbone, folder), weights, body):
        raise RecipeError(
            "its last layer does not take the trunk's features as they are; there is more between, or another pooling. "
            "`finetune` trains one on your own pictures."
        )
    kernel = np.asarray(dense.kernel, np.float32)
    *_, width, count = kernel.shape
    bias = np.asarray(dense.bias, np.float32) if dense.use_bias else np.zeros(count, np.float32)
    return kernel.reshape(width, count), bias


def _is_on_trunk_features(backbone: Backbone, weights: Path, classifier_body: keras.Model) -> bool:
    """Say whether `below`, scaled pixels -> what the last layer takes, gives the trunk's features of two photos."""
    pictures = np.stack([ImageInput(network_input_size(backbone))(photo) for photo in load_photos()])
    classifier_features = classifier_body(scale_pixels(pictures, require_pixels(backbone).scaling), training=False)
    trunk_features = build_trunk_network(backbone, weights)(pictures, training=False)
    classifier_features, trunk_features = (
        keras.ops.convert_to_numpy(classifier_features),
        keras.ops.convert_to_numpy(trunk_features),
    )
    return classifier_features.shape == trunk_features.shape and bool(
        np.abs(classifier_features - trunk_features).max() <= PARITY_TOLERANCE * np.abs(trunk_features).max()
    )
