"""The end of a classifier: its last dense layer, and the network up to that."""

from __future__ import annotations

from typing import Final

import keras
import numpy as np

from graft.errors import TrunkError

_NO_OP_LAYERS: Final = (keras.layers.Dropout, keras.layers.Reshape, keras.layers.Flatten, keras.layers.Activation)


def drop_last_dense(model: keras.Model) -> keras.Model:
    """Return a network up to its last dense layer: its own input -> what that layer takes, float32 [n,d].

    That is [n,1,1,d] where the last layer is a convolution of one place.

    Raises:
        TrunkError: it does not end with a dense layer.
    """
    last, dense = _skip_no_ops(model.layers[-1]), find_last_dense(model)
    if not isinstance(last, keras.Sequential):
        return keras.Model(model.input, dense.input, name=model.name)
    tensor = last.input
    for layer in last.layers[: last.layers.index(dense)]:  # a Sequential has a graph of its own: its layers once more
        tensor = layer(tensor)
    return keras.Model(model.input, tensor, name=model.name)


def find_last_dense(model: keras.Model) -> keras.layers.Layer:
    """Return the layer that gives the logits of a network: dense, or a 1x1 convolution on maps of one place.

    Raises:
        TrunkError: it is another form.
    """
    layer = _skip_no_ops(model.layers[-1])
    if isinstance(layer, keras.Sequential):
        return find_last_dense(layer)
    if not isinstance(layer, keras.layers.Dense) and not _is_pointwise_conv(layer):
        raise TrunkError(f"its classifier ends with {type(layer).__name__}, not with a dense layer")
    return layer


def has_pooled_input(layer: keras.layers.Layer) -> bool:
    """Say whether a layer takes the means of maps as they are."""
    return isinstance(_skip_no_ops(_previous_layer(layer)), keras.layers.GlobalAveragePooling2D)


def _is_pointwise_conv(layer: keras.layers.Layer) -> bool:
    return isinstance(layer, keras.layers.Conv2D) and layer.kernel_size == (1, 1) and layer.groups == 1


def _skip_no_ops(layer: keras.layers.Layer) -> keras.layers.Layer:
    """Return the first layer, from `layer` upwards, that changes a number; Flatten of many places does not count."""
    while (
        isinstance(layer, _NO_OP_LAYERS)
        and _element_count(layer.input) == _element_count(layer.output)
        and _is_linear(layer)
    ):
        if isinstance(layer, keras.layers.Flatten) and len(layer.input.shape) == 4 and layer.input.shape[1] != 1:
            break
        layer = _previous_layer(layer)
    return layer


def _is_linear(layer: keras.layers.Layer) -> bool:
    return not isinstance(layer, keras.layers.Activation) or layer.activation is keras.activations.linear


def _element_count(tensor: keras.KerasTensor) -> int:
    return int(np.prod(tensor.shape[1:]))


def _previous_layer(layer: keras.layers.Layer) -> keras.layers.Layer:
    source: keras.layers.Layer = layer.input._keras_history.operation
    return source
