"""Networks of keras.applications, without their tops; weights are files we fetched and verified."""

from __future__ import annotations

import inspect
import math
from pathlib import Path
from typing import Any, Final

import keras

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
    """Return `model` with the layer that Keras gives it with `weights="imagenet"`, and with no file of weights.

    EfficientNet's published variance is a deviation: behind its normalisation stands a division by another
    square root of it, but only where Keras fetches the weights by itself.
    See https://github.com/tensorflow/tensorflow/issues/49930.
    """
    if not any(isinstance(layer, keras.layers.Normalization) for layer in model.layers):
        return model
    return keras.models.clone_model(model, clone_function=lambda layer: layer, call_function=_called)


def _called(layer: keras.Layer, *tensors: keras.KerasTensor, **choices: Any) -> keras.KerasTensor:  # noqa: ANN401
    output = layer(*tensors, **choices)
    if isinstance(layer, keras.layers.Normalization):
        return keras.layers.Rescaling([1 / math.sqrt(std) for std in _STD])(output)
    return output
