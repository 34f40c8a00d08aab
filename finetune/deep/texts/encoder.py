"""Fine-tune a text encoder: which layers are trained, layer-wise learning rates, and LoRA.

LoRA, low-rank updates of attention (Hu et al. 2021, https://arxiv.org/abs/2106.09685), is Keras's, merged into the
kernels before export.
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

TOP_LAYERS: Final = 2  # encoder layers that are trained at depth `top`
# KerasHub's names of encoder layers; ALBERT's share their weights, so they count as one.
_LAYER_PATTERN: Final = re.compile(r"^[^/]*_layer_(\d+)/")
_AFTER_LAYERS_PREFIXES: Final = ("head/", "pooled_dense/", "encoder_output_layer_norm/")
LORA_PROJECTIONS: Final = (  # KerasHub's choice of layers, and those of T5, for which it has none
    *("query", "value", "query_dense", "value_dense"),
    *("query_projector", "value_projector"),
)


def attach_head(encoder: keras.Model, job: TrainingJob) -> keras.Model:
    """Return `encoder` with the job's start head on top, a dense layer: token ids -> logits float32 [n,k].

    Layers that are not trained at the job's depth are frozen.

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
    """Return the number of encoder layers, not counting embeddings."""
    return 1 + max((_layer_index(weight.path, -1) for weight in encoder.weights), default=-1)


def layer_rate_factors(network: keras.Model, layer_decay: float) -> dict[str, float]:
    """Return layer-wise learning-rate decay (Howard and Ruder 2018): the factor of each trainable variable's path.

    Head, pooler and final norm have 1, the last encoder layer has `layer_decay`, the one before it `layer_decay`², and
    so on; embeddings, and whatever else precedes the first layer, have the smallest factor.
    """
    count = count_encoder_layers(network)
    return {
        variable.path: layer_decay ** (count - _layer_index(variable.path, count))
        for variable in network.trainable_variables
    }


def _layer_index(path: str, index_after: int) -> int:
    """Return the index of a variable's encoder layer; -1 before the first, `index_after` after the last."""
    if path.startswith(_AFTER_LAYERS_PREFIXES):
        return index_after
    match = _LAYER_PATTERN.search(path)
    return int(match[1]) if match else -1


def enable_lora(encoder: keras.Model, rank: int) -> None:
    """Freeze `encoder` except for LoRA updates of its query and value projections, and their biases.

    The updates start at zero, so the output does not change.

    Raises:
        RecipeError: the encoder has no query or value projections.
    """
    for layer in _flatten_layers(encoder):
        layer.trainable = False
    chosen = [
        layer for layer in _flatten_layers(encoder) if layer.name in LORA_PROJECTIONS and hasattr(layer, "enable_lora")
    ]
    if not chosen:
        raise RecipeError(f"--depth lora: {encoder.name} has no attention to update. Use --depth top or full.")
    for layer in chosen:
        layer.trainable = True
        layer.enable_lora(rank)


def merge_lora_weights(network: keras.Model) -> dict[str, NDArray[np.float32]]:
    """Return the weights of `network`, float32, by their paths, with LoRA updates merged into the kernels."""
    weights = {weight.path: weight for weight in network.weights if "/lora_kernel_" not in weight.path}
    for layer in _flatten_layers(network):
        if getattr(layer, "lora_enabled", False):
            weights[layer._kernel.path] = layer.kernel  # the kernel plus its update
    return {path: np.asarray(keras.ops.convert_to_numpy(weight), np.float32) for path, weight in weights.items()}


def _flatten_layers(network: keras.Model) -> Iterator[Any]:
    """Yield every layer of `network`, including layers within layers."""
    yield from network._flatten_layers(include_self=False)
