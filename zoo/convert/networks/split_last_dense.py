"""Split a classifier before its last dense layer: find that layer, and return the network up to it."""

from __future__ import annotations

from typing import Final

import keras
import numpy as np

from graft.errors import TrunkError

_NO_OP_LAYERS: Final = (keras.layers.Dropout, keras.layers.Reshape, keras.layers.Flatten, keras.layers.Activation)


def drop_last_dense(model: keras.Model) -> keras.Model:
    """Return a network up to the input of its last dense layer, float32 [n,d].

    The output is [n,1,1,d] where the last layer is a 1x1 convolution.

    Raises:
        TrunkError: the network does not end with a dense layer.
    """
    last, dense = _skip_no_ops(model.layers[-1]), find_last_dense(model)
    if not isinstance(last, keras.Sequential):
        return keras.Model(model.input, dense.input, name=model.name)
    tensor = last.input
    for layer in last.layers[: last.layers.index(dense)]:  # a Sequential has a graph of its own: call its layers again
        tensor = layer(tensor)
    return keras.Model(model.input, tensor, name=model.name)


def find_last_dense(model: keras.Model) -> keras.layers.Layer:
    """Return the layer that outputs a network's logits: Dense, or a 1x1 convolution on 1x1 maps.

    Raises:
        TrunkError: the network ends with another layer.
    """
    layer = _skip_no_ops(model.layers[-1])
    if isinstance(layer, keras.Sequential):
        return find_last_dense(layer)
    if not isinstance(layer, keras.layers.Dense) and not _is_pointwise_conv(layer):
        raise TrunkError(f"its classifier ends with {type(layer).__name__}, not with a dense layer")
    return layer


def has_pooled_input(layer: keras.layers.Layer) -> bool:
    """Return whether a layer's input is the output of global average pooling."""
    return isinstance(_skip_no_ops(_previous_layer(layer)), keras.layers.GlobalAveragePooling2D)


def _is_pointwise_conv(layer: keras.layers.Layer) -> bool:
    return isinstance(layer, keras.layers.Conv2D) and layer.kernel_size == (1, 1) and layer.groups == 1


def _skip_no_ops(layer: keras.layers.Layer) -> keras.layers.Layer:
    """Return the first layer, from `layer` upwards, that changes values or flattens maps larger than 1x1."""
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
