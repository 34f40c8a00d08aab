"""KerasHub's own form of a preset -> its network, every weight of it from the file."""

from __future__ import annotations

from pathlib import Path

import keras
import keras_hub

from graft.errors import WeightsError

_MAX_REASON_LENGTH = 300  # characters of Keras' own words in an error


def load_preset_backbone(folder: Path, description: str) -> keras.Model:
    """Return the network of the preset in `folder`; `description` is what it is to be, for the message.

    Raises:
        WeightsError: the files do not hold one, or not all of its weights.
    """
    try:
        return keras_hub.models.Backbone.from_preset(str(folder))
    except (OSError, ValueError, KeyError, TypeError) as fault:  # Keras' for files that are not its own
        raise wrong_preset_error(folder, description, fault) from None


def load_preset_classifier(folder: Path) -> keras.Model:
    """Return the image classifier of the preset in `folder`, the network in it.

    Raises:
        WeightsError: the files do not hold one, or not all of its weights.
    """
    try:
        return keras_hub.models.ImageClassifier.from_preset(str(folder))
    except (OSError, ValueError, KeyError, TypeError) as fault:  # Keras' for files that are not its own
        raise wrong_preset_error(folder, "an image classifier", fault) from None


def wrong_preset_error(folder: Path, description: str, fault: Exception) -> WeightsError:
    """Return the error that says that `folder` does not hold the network `description`."""
    reason = " ".join(str(fault).split())[:_MAX_REASON_LENGTH]
    return WeightsError(f"{folder} does not hold {description} ({reason}). Pull it again.")
