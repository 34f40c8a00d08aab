"""KerasHub's own form of a preset -> its network, every weight of it from the file."""

from __future__ import annotations

from pathlib import Path

import keras
import keras_hub

from zoo.errors import WeightsError

_LONGEST = 300  # characters of Keras' own words in an error


def load_preset(folder: Path, of: str) -> keras.Model:
    """Return the network of the preset in `folder`; `of` is what it is to be, for the message.

    Raises:
        WeightsError: the files do not hold one, or not all of its weights.
    """
    try:
        return keras_hub.models.Backbone.from_preset(str(folder))
    except (OSError, ValueError, KeyError, TypeError) as fault:  # Keras' for files that are not its own
        raise not_held(folder, of, fault) from None


def load_classifier(folder: Path) -> keras.Model:
    """Return the image classifier of the preset in `folder`, the network in it.

    Raises:
        WeightsError: the files do not hold one, or not all of its weights.
    """
    try:
        return keras_hub.models.ImageClassifier.from_preset(str(folder))
    except (OSError, ValueError, KeyError, TypeError) as fault:  # Keras' for files that are not its own
        raise not_held(folder, "an image classifier", fault) from None


def not_held(folder: Path, of: str, fault: Exception) -> WeightsError:
    """Return the error that says that `folder` does not hold the network `of`."""
    said = " ".join(str(fault).split())[:_LONGEST]
    return WeightsError(f"{folder} does not hold {of} ({said}). Pull it again.")
