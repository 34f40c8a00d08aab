"""Networks of keras.applications, without their tops; weights are files we fetched and verified."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Final

import keras
import numpy as np

_STD: Final = (0.229, 0.224, 0.225)  # ImageNet's, by channel


def headless(factory: str, size: int, weights: Path | None) -> keras.Model:
    """Return the network that `keras.applications` calls `factory`, as it is with ImageNet's weights.

    The scaling of pixels is left to us, as everywhere, wherever the library lets go of it.
    """
    make = getattr(keras.applications, factory)
    own = {"include_preprocessing": False} if "include_preprocessing" in inspect.signature(make).parameters else {}
    file = None if weights is None else str(weights)
    return as_published(make(include_top=False, weights=file, input_shape=(size, size, 3), **own))


def as_published(model: keras.Model) -> keras.Model:
    """Return `model`, its input normalised as Keras does it with `weights="imagenet"`, and with no file of weights.

    EfficientNet's published variance is a deviation. Keras divides by another square root of it, but
    only where it fetches the weights itself: https://github.com/tensorflow/tensorflow/issues/49930.
    """
    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization):
            layer.adapt_variance.assign(layer.adapt_variance * np.array(_STD, "float32"))
            layer.finalize_state()
    return model
