"""The own classifier of a network of keras.applications: its last dense layer, taken out of the whole."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import keras
import numpy as np

from graft.errors import WeightsError
from graft.types import Float32Array
from zoo.catalog.backbone import Backbone
from zoo.convert.networks import build_backbone_network, require_pixels
from zoo.convert.networks.applications_networks import build_application_classifier
from zoo.convert.networks.split_last_dense import find_last_dense

_WEIGHT_TOLERANCE: Final = 1e-5  # of the largest number of a weight: files of one checkpoint differ by rounding at most


def extract_application_head(
    backbone: Backbone, factory: str, weights: Path, top_file: Path | None
) -> tuple[Float32Array, Float32Array]:
    """Return kernel [d,k] and bias [k] of the last layer of the network that `keras.applications` calls `factory`.

    `weights` is what the trunk is built from. Where that has no top, `top_file` is the same network's file with it.

    Raises:
        TrunkError: it does not end with a dense layer.
        WeightsError: the file does not hold this network, or `top_file` is of another training than `weights`.
    """
    file = top_file or weights
    try:
        model = build_application_classifier(factory, require_pixels(backbone).size, file)
    except (OSError, ValueError, KeyError, TypeError) as fault:  # Keras' for files that are not its own
        reason = " ".join(str(fault).split())[:300]
        raise WeightsError(
            f"{file} does not hold {factory} with its top ({reason}). Delete it and run again."
        ) from None
    dense = find_last_dense(model)
    if top_file is not None:
        _require_same_training(build_backbone_network(backbone, weights), model, dense, top_file)
    kernel, bias = (np.asarray(weight, np.float32) for weight in dense.get_weights())
    return kernel.reshape(kernel.shape[-2:]), bias


def _require_same_training(
    trunk_body: keras.Model, classifier: keras.Model, dense: keras.layers.Layer, top_file: Path
) -> None:
    """Refuse a classifier that was trained on other maps than the trunk gives.

    A Normalization layer is passed over: the trunk may have its own, and nothing in it is learnt.
    """
    trunk_weights, classifier_weights = (
        _weights_with_layers(trunk_body),
        [pair for pair in _weights_with_layers(classifier) if pair[0] is not dense],
    )
    arrays = [(a, b) for (_, a), (_, b) in zip(trunk_weights, classifier_weights, strict=False)]
    same = len(trunk_weights) == len(classifier_weights) and all(
        a.shape == b.shape
        and float(np.abs(a - b).max(initial=0)) <= _WEIGHT_TOLERANCE * float(np.abs(a).max(initial=1e-30))
        for a, b in arrays
    )
    if not same:
        raise WeightsError(
            f"{top_file} is not of the same training as the weights without a top, so its classifier does not fit the "
            "trunk. Use `finetune` on pictures of your own instead."
        )


def _weights_with_layers(model: keras.Model) -> list[tuple[keras.layers.Layer, Float32Array]]:
    layers = [layer for layer in model.layers if not isinstance(layer, keras.layers.Normalization)]
    return [(layer, np.asarray(weight)) for layer in layers for weight in layer.get_weights()]
