"""A text encoder that learns: which of its layers, and how fast each."""

from __future__ import annotations

import re
from typing import Final

import keras

from finetune.deep.grafted import planted
from finetune.deep.lora import enable_lora
from finetune.lesson import Lesson
from finetune.training import Depth

LAST: Final = 2  # layers of the encoder that learn at depth `top`
_LAYER: Final = re.compile(r"^[^/]*_layer_(\d+)/")  # how KerasHub calls them; ALBERT's, all of one weight, are one
_BEHIND: Final = ("head/", "pooled_dense/", "encoder_output_layer_norm/")


def with_head(encoder: keras.Model, lesson: Lesson) -> keras.Model:
    """Return `encoder` with the lesson's head on top, a dense layer: token ids -> logits float32 [n,k].

    What shall not learn at the lesson's depth is not trainable.

    Raises:
        RecipeError: the depth is `lora`, and the encoder has no attention.
    """
    if lesson.depth is Depth.LORA:
        enable_lora(encoder, lesson.training.rank)
    elif lesson.depth is Depth.TOP:
        count = layers_of(encoder)
        for layer in encoder.layers:
            layer.trainable = all(_level(weight.path, count) >= count - LAST for weight in layer.weights)
    kernel, bias = planted(lesson)
    head = keras.layers.Dense(len(bias), name="head", dtype="float32")
    network = keras.Model(encoder.input, head(encoder.output), name="texts")
    head.set_weights([kernel, bias])
    return network


def layers_of(encoder: keras.Model) -> int:
    """Return how many layers the encoder has, its embeddings not counted."""
    return 1 + max((_level(weight.path, -1) for weight in encoder.weights), default=-1)


def factors(network: keras.Model, decay: float) -> dict[str, float]:
    """Return the factor of the learning rate for each trainable variable, by its path.

    The head, a pooler and a last norm have 1, the encoder's last layer has `decay`, the one before it `decay`², and so
    on; embeddings, and whatever else stands before the first layer, have the least (Howard and Ruder 2018).
    """
    count = layers_of(network)
    return {variable.path: decay ** (count - _level(variable.path, count)) for variable in network.trainable_variables}


def _level(path: str, behind: int) -> int:
    """Return the number of the encoder layer that a variable belongs to; -1 before them all, `behind` after them."""
    if path.startswith(_BEHIND):
        return behind
    found = _LAYER.search(path)
    return int(found[1]) if found else -1
