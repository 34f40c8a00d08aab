"""The own classifier of a network of keras.applications: one dense layer on its pooled maps, taken out of the whole."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
from numpy.typing import NDArray

from zoo.backbone import Backbone
from zoo.build.networks import body, pixels_of
from zoo.errors import TrunkError, WeightsError

Floats = NDArray[np.float32]

_CLOSE: Final = 1e-5  # of the largest number of a weight: files of one checkpoint differ by rounding at most
_PASSED: Final = (keras.layers.Dropout, keras.layers.Reshape, keras.layers.Flatten, keras.layers.Activation)


def head_of(backbone: Backbone, factory: str, weights: Path, whole: Path) -> tuple[Floats, Floats]:
    """Return kernel [d,k] and bias [k] of the classifier in the file `whole`, which is the network with its top.

    `weights` is the file without the top, which the trunk is built from.

    Raises:
        TrunkError: the classifier is not one dense layer on pooled maps.
        WeightsError: `whole` does not hold this network, or its maps are not those of `weights`.
    """
    try:
        model = make_top(factory, pixels_of(backbone).size, whole)
    except (OSError, ValueError, KeyError, TypeError) as fault:  # Keras' for files that are not its own
        said = " ".join(str(fault).split())[:300]
        raise WeightsError(f"{whole} does not hold {factory} with its top ({said}). Delete it and run again.") from None
    dense = dense_of(model)
    _check_same(body(backbone, weights), model, dense, whole)
    kernel, bias = (np.asarray(weight, np.float32) for weight in dense.get_weights())
    return kernel.reshape(kernel.shape[-2:]), bias


def make_top(factory: str, size: int | None, weights: Path | None) -> keras.Model:
    """Return the network that `keras.applications` calls `factory` with its top, which gives logits."""
    make = getattr(keras.applications, factory)
    own: dict[str, Any] = {"input_shape": (size, size, 3)} if size else {}
    if "include_preprocessing" in inspect.signature(make).parameters:
        own["include_preprocessing"] = False
    file = None if weights is None else str(weights)
    return make(include_top=True, weights=file, classifier_activation=None, **own)


def dense_of(model: keras.Model) -> keras.layers.Layer:
    """Return the layer that is the whole classifier: dense, or a 1x1 convolution on maps of one place.

    Raises:
        TrunkError: it is another form.
    """
    layer = _passed(model.layers[-1])
    if not isinstance(layer, keras.layers.Dense) and not _is_dense(layer):
        raise TrunkError(f"its classifier ends with {type(layer).__name__}, not with one dense layer")
    below = _passed(_before(layer))
    if not isinstance(below, keras.layers.GlobalAveragePooling2D):
        raise TrunkError(f"between its pooled maps and its last dense layer is {type(below).__name__}")
    return layer


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


def _check_same(ours: keras.Model, theirs: keras.Model, dense: keras.layers.Layer, whole: Path) -> None:
    """Refuse a classifier that was trained on other maps than the trunk gives.

    A Normalization layer is passed over: the trunk may have its own, and nothing in it is learnt.
    """
    mine, other = _learnt(ours), [pair for pair in _learnt(theirs) if pair[0] is not dense]
    arrays = [(a, b) for (_, a), (_, b) in zip(mine, other, strict=False)]
    same = len(mine) == len(other) and all(
        a.shape == b.shape and float(np.abs(a - b).max(initial=0)) <= _CLOSE * float(np.abs(a).max(initial=1e-30))
        for a, b in arrays
    )
    if not same:
        raise WeightsError(
            f"{whole} is not of the same training as the weights without a top, so its classifier does not fit the "
            "trunk. Use `finetune` on pictures of your own instead."
        )


def _learnt(model: keras.Model) -> list[tuple[keras.layers.Layer, Floats]]:
    layers = [layer for layer in model.layers if not isinstance(layer, keras.layers.Normalization)]
    return [(layer, np.asarray(weight)) for layer in layers for weight in layer.get_weights()]
