"""Image networks of KerasCV from their presets: pixels, float32 [n,s,s,3] -> maps, float32 [n,h,w,d]."""

from __future__ import annotations

from pathlib import Path

import keras
import keras_cv

from graft.errors import TrunkError
from zoo.convert.networks.keras_hub_networks import wrong_preset_error


def preset(size: int, weights: Path | None) -> keras.Model:
    """Return the network of a preset's folder, for pictures of `size`; `weights` is the file in that folder.

    Raises:
        TrunkError: there is no preset to tell the layers; or it takes pictures of one other size only.
        WeightsError: the files do not hold the network.
    """
    if weights is None:
        raise TrunkError("the layers of this network are told by its preset. Pull it first.")
    try:
        network = keras_cv.models.Backbone.from_preset(str(weights.parent))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as fault:  # Keras' for files not its own
        raise wrong_preset_error(weights.parent, "the network that it should", fault) from None
    if network.input_shape[1:3] not in ((None, None), (size, size)):
        raise TrunkError(f"{network.name} takes pictures of {network.input_shape[1:3]} only, not {size} x {size}.")
    image = keras.Input((size, size, 3), name="pixels")
    return keras.Model(image, network(image, training=False), name=network.name)
