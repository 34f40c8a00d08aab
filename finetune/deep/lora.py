"""Low-rank updates of attention (Hu et al. 2021, https://arxiv.org/abs/2106.09685): Keras', merged before export."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import keras
import numpy as np
from numpy.typing import NDArray

from zoo.errors import RecipeError

LORA_PROJECTIONS: Final = (  # as KerasHub chooses them, and T5's, for which it has chosen none
    *("query", "value", "query_dense", "value_dense"),
    *("query_projector", "value_projector"),
)


def enable_lora(encoder: keras.Model, rank: int) -> None:
    """Freeze `encoder` but for updates of `rank` of its queries and values, and their biases.

    The updates begin at zero: the encoder says what it said.

    Raises:
        RecipeError: it has neither.
    """
    for layer in _flatten_layers(encoder):
        layer.trainable = False
    chosen = [
        layer for layer in _flatten_layers(encoder) if layer.name in LORA_PROJECTIONS and hasattr(layer, "enable_lora")
    ]
    if not chosen:
        raise RecipeError(f"--depth lora: {encoder.name} has no attention to update. Take --depth top or full.")
    for layer in chosen:
        layer.trainable = True
        layer.enable_lora(rank)


def merge_lora_weights(network: keras.Model) -> dict[str, NDArray[np.float32]]:
    """Return the weights of `network` by their paths, with its low-rank updates merged into the kernels."""
    weights = {weight.path: weight for weight in network.weights if "/lora_kernel_" not in weight.path}
    for layer in _flatten_layers(network):
        if getattr(layer, "lora_enabled", False):
            weights[layer._kernel.path] = layer.kernel  # the sum of both
    return {path: np.asarray(keras.ops.convert_to_numpy(weight), np.float32) for path, weight in weights.items()}


def _flatten_layers(network: keras.Model) -> Iterator[Any]:
    """Go through every layer, and the layers within it."""
    yield from network._flatten_layers(include_self=False)
