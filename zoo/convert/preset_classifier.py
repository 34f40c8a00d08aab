"""The classifier that ships with a preset of KerasHub: its last dense layer, if that takes the trunk's features."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import keras
import numpy as np

from graft.errors import RecipeError, TrunkError
from graft.inputs.image import ImageInput
from graft.types import Float32Array
from zoo.catalog.backbone import Backbone
from zoo.convert.networks import build_trunk_network, network_input_size, require_pixels, scale_pixels
from zoo.convert.networks.preset_folder import load_preset_classifier
from zoo.convert.networks.split_last_dense import drop_last_dense, find_last_dense
from zoo.convert.parity import PARITY_TOLERANCE
from zoo.sample_inputs import load_photos
from zoo.weights.preset_config import resolve_preset

_HEAD_ACTIVATIONS: Final = (keras.activations.linear, keras.activations.softmax)


def extract_preset_head(backbone: Backbone, weights: Path) -> tuple[Float32Array, Float32Array]:
    """Return kernel [d,k] and bias [k] of the classifier in the preset's folder, where `weights` is the trunk's file.

    Raises:
        RecipeError: it is not one dense layer on the features that the trunk gives.
        WeightsError: the files do not hold it.
    """
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
