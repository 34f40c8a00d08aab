"""A text encoder that learns: which of its layers, and how fast each."""

from __future__ import annotations

import re
from typing import Final

import keras

from finetune.deep.grafted import dense_from_head
from finetune.deep.lora import enable_lora
from finetune.lesson import TrainingJob
from finetune.training import Depth

TOP_LAYERS: Final = 2  # layers of the encoder that learn at depth `top`
_LAYER_PATTERN: Final = re.compile(
    r"^[^/]*_layer_(\d+)/"
)  # how KerasHub calls them; ALBERT's, all of one weight, are one
_AFTER_LAYERS_PREFIXES: Final = ("head/", "pooled_dense/", "encoder_output_layer_norm/")


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
