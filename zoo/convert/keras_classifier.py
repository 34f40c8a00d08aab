"""Extract the pretrained classifier of a Keras model: the last dense layer, on the features that the trunk gives.

Of a network of keras.applications it is in the weights file with the top; of a KerasHub preset in task.weights.h5.
"""

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

_WEIGHT_TOLERANCE: Final = 1e-5  # relative to a weight's largest value: files of one checkpoint differ by rounding only
_HEAD_ACTIVATIONS: Final = (keras.activations.linear, keras.activations.softmax)


def extract_application_head(
    backbone: Backbone, factory: str, weights: Path, top_file: Path | None
) -> tuple[Float32Array, Float32Array]:
    """Return kernel, float32 [d,k], and bias, float32 [k], of the last layer of `keras.applications.<factory>`.

    Args:
        backbone: the trunk's entry.
        factory: name of the function in `keras.applications`.
        weights: the file that the trunk is built from.
        top_file: the same network's file with its top, where `weights` has none.

    Raises:
        TrunkError: the network does not end with a dense layer.
        WeightsError: the file does not hold this network, or `top_file` comes from another training than `weights`.
    """
    file = top_file or weights
    try:
        model = build_application_classifier(factory, require_pixels(backbone).size, file)
    except (OSError, ValueError, KeyError, TypeError) as fault:  # what Keras raises for foreign files
        reason = " ".join(str(fault).split())[:300]
        raise WeightsError(
            f"{file} does not hold {factory} with its classifier ({reason}). Delete it and run again."
        ) from None
    dense = find_last_dense(model)
    if top_file is not None:
        _require_same_training(build_backbone_network(backbone, weights), model, dense, top_file)
    kernel, bias = (np.asarray(weight, np.float32) for weight in dense.get_weights())
    return kernel.reshape(kernel.shape[-2:]), bias


def _require_same_training(
    trunk_body: keras.Model, classifier: keras.Model, dense: keras.layers.Layer, top_file: Path
) -> None:
    """Refuse a classifier that was trained on another network's feature maps.

    Normalization layers are skipped: the trunk may have its own, and they hold nothing trainable.
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
            f"{top_file} is not from the same training as the weights without a classifier, so its classifier does not "
            "fit the trunk. Run `finetune` on your own images instead."
        )


def _weights_with_layers(model: keras.Model) -> list[tuple[keras.layers.Layer, Float32Array]]:
    layers = [layer for layer in model.layers if not isinstance(layer, keras.layers.Normalization)]
    return [(layer, np.asarray(weight)) for layer in layers for weight in layer.get_weights()]


def extract_preset_head(backbone: Backbone, weights: Path) -> tuple[Float32Array, Float32Array]:
    """Return kernel, float32 [d,k], and bias, float32 [k], of the classifier in a preset's folder.

    `weights` is the trunk's weights file in that folder.

    Raises:
        RecipeError: the classifier is not one dense layer on the trunk's features.
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
        raise RecipeError(f"{fault}. Run `finetune` to train one on your own images.") from None
    if dense.activation not in _HEAD_ACTIVATIONS:
        raise RecipeError(f"its classifier ends with {dense.activation.__name__}; allowed are linear and softmax.")
    if not _is_on_trunk_features(resolve_preset(backbone, folder), weights, body):
        raise RecipeError(
            "its last layer does not take the trunk's features as they are: other layers or another pooling come "
            "before it. Run `finetune` to train one on your own images."
        )
    kernel = np.asarray(dense.kernel, np.float32)
    *_, width, count = kernel.shape
    bias = np.asarray(dense.bias, np.float32) if dense.use_bias else np.zeros(count, np.float32)
    return kernel.reshape(width, count), bias


def _is_on_trunk_features(backbone: Backbone, weights: Path, classifier_body: keras.Model) -> bool:
    """Return whether the input of a classifier's last layer equals the trunk's features, for two photos."""
    images = np.stack([ImageInput(network_input_size(backbone))(photo) for photo in load_photos()])
    classifier_features = classifier_body(scale_pixels(images, require_pixels(backbone).scaling), training=False)
    trunk_features = build_trunk_network(backbone, weights)(images, training=False)
    classifier_features, trunk_features = (
        keras.ops.convert_to_numpy(classifier_features),
        keras.ops.convert_to_numpy(trunk_features),
    )
    return classifier_features.shape == trunk_features.shape and bool(
        np.abs(classifier_features - trunk_features).max() <= PARITY_TOLERANCE * np.abs(trunk_features).max()
    )
