"""The own classifier of a network of keras.applications: its last dense layer, taken out of the whole."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import keras
import numpy as np
from numpy.typing import NDArray

from zoo.backbone import Backbone
from zoo.build.networks import body, pixels_of
from zoo.build.networks.applications import with_top
from zoo.build.networks.tops import last_dense
from zoo.errors import WeightsError

Floats = NDArray[np.float32]

_CLOSE: Final = 1e-5  # of the largest number of a weight: files of one checkpoint differ by rounding at most


def head_of(backbone: Backbone, factory: str, weights: Path, whole: Path | None) -> tuple[Floats, Floats]:
    """Return kernel [d,k] and bias [k] of the last layer of the network that `keras.applications` calls `factory`.

    `weights` is what the trunk is built from. Where that has no top, `whole` is the same network's file with it.

    Raises:
        TrunkError: it does not end with a dense layer.
        WeightsError: the file does not hold this network, or `whole` is of another training than `weights`.
    """
    file = whole or weights
    try:
        model = with_top(factory, pixels_of(backbone).size, file)
    except (OSError, ValueError, KeyError, TypeError) as fault:  # Keras' for files that are not its own
        said = " ".join(str(fault).split())[:300]
        raise WeightsError(f"{file} does not hold {factory} with its top ({said}). Delete it and run again.") from None
    dense = last_dense(model)
    if whole is not None:
        _check_same(body(backbone, weights), model, dense, whole)
    kernel, bias = (np.asarray(weight, np.float32) for weight in dense.get_weights())
    return kernel.reshape(kernel.shape[-2:]), bias


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
