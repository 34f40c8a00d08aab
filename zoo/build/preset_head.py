"""The classifier that ships with a preset of KerasHub: its last dense layer, if that takes the trunk's features."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import keras
import numpy as np
from numpy.typing import NDArray

from zoo.backbone import Backbone
from zoo.build.loading import load_classifier
from zoo.build.networks import network, pixels_of, scaled, size_of
from zoo.build.networks.tops import below_last, last_dense
from zoo.build.parity import TOLERANCE
from zoo.errors import RecipeError, TrunkError
from zoo.image import ImageInput
from zoo.pictures import photos
from zoo.presets import settled

Floats = NDArray[np.float32]

_ENDS: Final = (keras.activations.linear, keras.activations.softmax)


def head_of_preset(backbone: Backbone, weights: Path) -> tuple[Floats, Floats]:
    """Return kernel [d,k] and bias [k] of the classifier in the preset's folder, where `weights` is the trunk's file.

    Raises:
        RecipeError: it is not one dense layer on the features that the trunk gives.
        WeightsError: the files do not hold it.
    """
    folder = weights.parent
    task = load_classifier(folder)
    try:
        dense, below = last_dense(task), below_last(task)
    except TrunkError as fault:
        raise RecipeError(f"{fault}. `finetune` trains one on your own pictures.") from None
    if dense.activation not in _ENDS:
        raise RecipeError(f"it ends with {dense.activation.__name__}; allowed are linear and softmax.")
    if not _takes_features(settled(backbone, folder), weights, below):
        raise RecipeError(
            "its last layer does not take the trunk's features as they are; there is more between, or another pooling. "
            "`finetune` trains one on your own pictures."
        )
    kernel = np.asarray(dense.kernel, np.float32)
    *_, width, count = kernel.shape
    bias = np.asarray(dense.bias, np.float32) if dense.use_bias else np.zeros(count, np.float32)
    return kernel.reshape(width, count), bias


def _takes_features(backbone: Backbone, weights: Path, below: keras.Model) -> bool:
    """Say whether `below`, scaled pixels -> what the last layer takes, gives the trunk's features of two photos."""
    pictures = np.stack([ImageInput(size_of(backbone))(photo) for photo in photos()])
    theirs = below(scaled(pictures, pixels_of(backbone).scaling), training=False)
    ours = network(backbone, weights)(pictures, training=False)
    theirs, ours = keras.ops.convert_to_numpy(theirs), keras.ops.convert_to_numpy(ours)
    return theirs.shape == ours.shape and bool(np.abs(theirs - ours).max() <= TOLERANCE * np.abs(ours).max())
