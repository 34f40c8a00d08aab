"""The end of a classifier: its last dense layer, and the network up to that."""

from __future__ import annotations

from typing import Final

import keras
import numpy as np

from zoo.errors import TrunkError

_PASSED: Final = (keras.layers.Dropout, keras.layers.Reshape, keras.layers.Flatten, keras.layers.Activation)


def below_last(model: keras.Model) -> keras.Model:
    """Return a network up to its last dense layer: its own input -> what that layer takes, float32 [n,d].

    That is [n,1,1,d] where the last layer is a convolution of one place.

    Raises:
        TrunkError: it does not end with a dense layer.
    """
    last, dense = _passed(model.layers[-1]), last_dense(model)
    if not isinstance(last, keras.Sequential):
        return keras.Model(model.input, dense.input, name=model.name)
    below = last.input
    for layer in last.layers[: last.layers.index(dense)]:  # a Sequential has a graph of its own: its layers once more
        below = layer(below)
    return keras.Model(model.input, below, name=model.name)


def last_dense(model: keras.Model) -> keras.layers.Layer:
    """Return the layer that gives the logits of a network: dense, or a 1x1 convolution on maps of one place.

    Raises:
        TrunkError: it is another form.
    """
    layer = _passed(model.layers[-1])
    if isinstance(layer, keras.Sequential):
        return last_dense(layer)
    if not isinstance(layer, keras.layers.Dense) and not _is_dense(layer):
        raise TrunkError(f"its classifier ends with {type(layer).__name__}, not with a dense layer")
    return layer


def stands_on_pooled_maps(layer: keras.layers.Layer) -> bool:
    """Say whether a layer takes the means of maps as they are."""
    return isinstance(_passed(_before(layer)), keras.layers.GlobalAveragePooling2D)


def _is_dense(layer: keras.layers.Layer) -> bool:
    return isinstance(layer, keras.layers.Conv2D) and layer.kernel_size == (1, 1) and layer.groups == 1


def _passed(layer: keras.layers.Layer) -> keras.layers.Layer:
    """Return the first layer, from `layer` upwards, that changes a number; Flatten of many places does not count."""
    while isinstance(layer, _PASSED) and _numbers(layer.input) == _numbers(layer.output) and _is_linear(layer):
        if isinstance(layer, keras.layers.Flatten) and len(layer.input.shape) == 4 and layer.input.shape[1] != 1:
            break
        layer = _before(layer)
    return layer


def _is_linear(layer: keras.layers.Layer) -> bool:
    return not isinstance(layer, keras.layers.Activation) or layer.activation is keras.activations.linear


def _numbers(tensor: keras.KerasTensor) -> int:
    return int(np.prod(tensor.shape[1:]))


def _before(layer: keras.layers.Layer) -> keras.layers.Layer:
    source: keras.layers.Layer = layer.input._keras_history.operation
    return source
