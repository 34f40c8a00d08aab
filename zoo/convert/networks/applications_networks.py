"""Networks of keras.applications: without their classifier, up to its last layer, or with it."""

from __future__ import annotations

import inspect
import math
from pathlib import Path
from typing import Any, Final

import keras

from zoo.convert.networks.split_last_dense import drop_last_dense

_IMAGENET_STD: Final = (0.229, 0.224, 0.225)  # by RGB channel


def headless(factory: str, size: int, weights: Path | None) -> keras.Model:
    """Return `keras.applications.<factory>` without its classifier, as Keras builds it for ImageNet weights.

    Pixel scaling is left out wherever the library has an option for it: the trunk does it.
    """
    return add_published_rescaling(_build_application(factory, size, weights, include_top=False))


def below_top(factory: str, size: int, weights: Path | None) -> keras.Model:
    """Return the network up to the last dense layer of its classifier: scaled pixels -> float32 [n,d].

    Used where a classifier has more layers than one dense layer on pooled maps. The output is [n,1,1,d] where the last
    layer is a 1x1 convolution. `weights` is the file with the classifier.
    """
    return drop_last_dense(build_application_classifier(factory, size, weights))


def build_application_classifier(factory: str, size: int | None, weights: Path | None) -> keras.Model:
    """Return `keras.applications.<factory>` with its classifier, which outputs logits, float32 [n,k]."""
    return _build_application(factory, size, weights, include_top=True, classifier_activation=None)


def _build_application(factory: str, size: int | None, weights: Path | None, **options: Any) -> keras.Model:  # noqa: ANN401
    factory_function = getattr(keras.applications, factory)
    if "include_preprocessing" in inspect.signature(factory_function).parameters:
        options["include_preprocessing"] = False
    if size is not None:
        options["input_shape"] = (size, size, 3)
    return factory_function(weights=None if weights is None else str(weights), **options)


def add_published_rescaling(model: keras.Model) -> keras.Model:
    """Return `model` with the Rescaling layer that Keras adds only for `weights="imagenet"`, not for a weights file.

    EfficientNet's published variance is a standard deviation, so its normalization must be followed by a division by
    the square root of it. See https://github.com/tensorflow/tensorflow/issues/49930.
    """
    if not any(isinstance(layer, keras.layers.Normalization) for layer in model.layers):
        return model
    return keras.models.clone_model(model, clone_function=lambda layer: layer, call_function=_call_layer)


def _call_layer(layer: keras.Layer, *tensors: keras.KerasTensor, **options: Any) -> keras.KerasTensor:  # noqa: ANN401
    output = layer(*tensors, **options)
    if isinstance(layer, keras.layers.Normalization):
        return keras.layers.Rescaling([1 / math.sqrt(std) for std in _IMAGENET_STD])(output)
    return output
