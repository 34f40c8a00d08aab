"""Image networks of KerasCV from their presets. In a file of its own, as only these need the package keras_cv."""

from __future__ import annotations

from pathlib import Path

import keras
import keras_cv

from graft.errors import TrunkError
from zoo.convert.networks.keras_hub_networks import wrong_preset_error


def preset(size: int, weights: Path | None) -> keras.Model:
    """Return the network of a preset's folder: pixels, float32 [n,size,size,3] -> maps, float32 [n,h,w,d].

    `weights` is the weights file in that folder.

    Raises:
        TrunkError: there is no preset; or its network has another fixed input size.
        WeightsError: the files do not hold the network.
    """
    if weights is None:
        raise TrunkError("the layers of this network come from its preset. Pull it first.")
    try:
        network = keras_cv.models.Backbone.from_preset(str(weights.parent))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as fault:  # what Keras raises for foreign files
        raise wrong_preset_error(weights.parent, "the expected network", fault) from None
    if network.input_shape[1:3] not in ((None, None), (size, size)):
        raise TrunkError(f"{network.name} takes images of {network.input_shape[1:3]} only, not {size} x {size}.")
    image = keras.Input((size, size, 3), name="pixels")
    return keras.Model(image, network(image, training=False), name=network.name)
