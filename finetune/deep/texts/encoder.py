"""A text encoder that learns: which of its layers, and how fast each.

Low-rank updates of attention (Hu et al. 2021, https://arxiv.org/abs/2106.09685): Keras', merged before export.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import keras
import numpy as np
from numpy.typing import NDArray

from finetune.deep.training.head_as_keras_layer import dense_from_head
from finetune.deep.training_job import TrainingJob
from finetune.recipe import Depth
from graft.errors import RecipeError

TOP_LAYERS: Final = 2  # layers of the encoder that learn at depth `top`


_LAYER_PATTERN: Final = re.compile(
    r"^[^/]*_layer_(\d+)/"
)  # how KerasHub calls them; ALBERT's, all of one weight, are one


_AFTER_LAYERS_PREFIXES: Final = ("head/", "pooled_dense/", "encoder_output_layer_norm/")


LORA_PROJECTIONS: Final = (  # as KerasHub chooses them, and T5's, for which it has chosen none
    *("query", "value", "query_dense", "value_dense"),
    *("query_projector", "value_projector"),
)


def attach_head(encoder: keras.Model, job: TrainingJob) -> keras.Model:
    """Return `encoder` with the lesson's head on top, a dense layer: token ids -> logits float32 [n,k].

    What shall not learn at the lesson's depth is not trainable.

    Raises:
        RecipeError: the depth is `lora`, and the encoder has no attention.
    """
    if job.depth is Depth.LORA:
        enable_lora(encoder, job.training.rank)
    elif job.depth is Depth.TOP:
        count = count_encoder_layers(encoder)
        for layer in encoder.layers:
            layer.trainable = all(_layer_index(weight.path, count) >= count - TOP_LAYERS for weight in layer.weights)
    kernel, bias = dense_from_head(job)
    head = keras.layers.Dense(len(bias), name="head", dtype="float32")
    network = keras.Model(encoder.input, head(encoder.output), name="texts")
    head.set_weights([kernel, bias])
    return network


def count_encoder_layers(encoder: keras.Model) -> int:
    """Return how many layers the encoder has, its embeddings not counted."""
    return 1 + max((_layer_index(weight.path, -1) for weight in encoder.weights), default=-1)


def layer_rate_factors(network: keras.Model, layer_decay: float) -> dict[str, float]:
    """Return the factor of the learning rate for each trainable variable, by its path.

    The head, a pooler and a last norm have 1, the encoder's last layer has `layer_decay`, the one before it `layer_decay`², and so
    on; embeddings, and whatever else stands before the first layer, have the least (Howard and Ruder 2018).
    """
    count = count_encoder_layers(network)
    return {
        variable.path: layer_decay ** (count - _layer_index(variable.path, count))
        for variable in network.trainable_variables
    }


def _layer_index(path: str, index_after: int) -> int:
    """Return the number of the encoder layer that a variable belongs to; -1 before them all, `index_after` after them."""
    if path.startswith(_AFTER_LAYERS_PREFIXES):
        return index_after
    match = _LAYER_PATTERN.search(path)
    return int(match[1]) if match else -1


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
