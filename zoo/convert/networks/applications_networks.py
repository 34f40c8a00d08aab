"""Networks of keras.applications, without their tops or up to the last layer; weights are files we verified."""

from __future__ import annotations

import inspect
import math
from pathlib import Path
from typing import Any, Final

import keras

from zoo.convert.networks.split_last_dense import drop_last_dense

_IMAGENET_STD: Final = (0.229, 0.224, 0.225)  # ImageNet's, by channel


def headless(factory: str, size: int, weights: Path | None) -> keras.Model:
    """Return the network that `keras.applications` calls `factory`, as it is with ImageNet's weights.

    The scaling of pixels is left to us, as everywhere, wherever the library lets go of it.
    """
    return add_published_rescaling(_build_application(factory, size, weights, include_top=False))


def below_top(factory: str, size: int, weights: Path | None) -> keras.Model:
    """Return the network with its top up to its last dense layer: scaled pixels -> what that takes, float32 [n,d].

    Where a top has more than one layer its classes do not stand on pooled maps, but on this. It is [n,1,1,d] where the
    last layer is a convolution of one place. `weights` is the file with the top.
    """
    return drop_last_dense(build_application_classifier(factory, size, weights))


def build_application_classifier(factory: str, size: int | None, weights: Path | None) -> keras.Model:
    """Return the network that `keras.applications` calls `factory` with its top, which gives logits."""
    return _build_application(factory, size, weights, include_top=True, classifier_activation=None)


def _build_application(factory: str, size: int | None, weights: Path | None, **options: Any) -> keras.Model:  # noqa: ANN401
    factory_function = getattr(keras.applications, factory)
    if "include_preprocessing" in inspect.signature(factory_function).parameters:
        options["include_preprocessing"] = False
    if size is not None:
        options["input_shape"] = (size, size, 3)
    return factory_function(weights=None if weights is None else str(weights), **options)


def add_published_rescaling(model: keras.Model) -> keras.Model:
    """Return `model` with the layer that Keras gives it with `weights="imagenet"`, and with no file of weights.

    EfficientNet's published variance is a deviation: behind its normalisation stands a division by another
    square root of it, but only where Keras fetches the weights by itself.
    See https://github.com/tensorflow/tensorflow/issues/49930.
    """
    if not any(isinstance(layer, keras.layers.Normalization) for layer in model.layers):
        return model
    return keras.models.clone_model(model, clone_function=lambda layer: layer, call_function=_call_layer)


def _call_layer(layer: keras.Layer, *tensors: keras.KerasTensor, **options: Any) -> keras.KerasTensor:  # noqa: ANN401
    output = layer(*tensors, **options)
    if isinstance(layer, keras.layers.Normalization):
        return keras.layers.Rescaling([1 / math.sqrt(std) for std in _IMAGENET_STD])(output)
    return output
