"""Pooling for KerasHub's text encoders: token ids, int32 [n,t] -> features, float32 [n,d]."""

from __future__ import annotations

import re
import warnings
from typing import Any, Final

import keras

from graft.errors import TrunkError
from zoo.catalog.backbone import Pooling

TEXT_INPUTS: Final = ("token_ids", "padding_mask", "segment_ids")  # each int32 [n,t]; an encoder has some of them
# Keras warns that T5's attention drops its mask; that is harmless, and users can do nothing about it.
warnings.filterwarnings("ignore", r"Layer '(self|cross)_attention' \(of type T5")

# T5's norms are unnamed, and Keras numbers them per process; weight names must be the same in every process.
_T5_NORM_PATH: Final = re.compile(r"/t5_layer_norm(_\d+)?/")
_ENCODER_OUTPUT: Final = "encoder_sequence_output"  # KerasHub's name of an encoder's output if there is a decoder


@keras.saving.register_keras_serializable("graft")
class MeanOverMask(keras.layers.Layer):  # type: ignore[misc]  # keras has no types
    """Mean over unmasked tokens: float32 [n,t,d], int32 [n,t] -> float32 [n,d]; 0 if all are masked."""

    def call(self, tokens: keras.KerasTensor, padding_mask: keras.KerasTensor) -> keras.KerasTensor:
        """Return the means."""
        counts = keras.ops.cast(padding_mask, tokens.dtype)[:, :, None]
        return keras.ops.sum(tokens * counts, axis=1) / keras.ops.maximum(keras.ops.sum(counts, axis=1), 1.0)


@keras.saving.register_keras_serializable("graft")
class FirstToken(keras.layers.Layer):  # type: ignore[misc]
    """The vector of the first token: float32 [n,t,d] -> float32 [n,d]."""

    def call(self, tokens: keras.KerasTensor) -> keras.KerasTensor:
        """Return the vectors."""
        return tokens[:, 0, :]


def add_pooling(backbone: keras.Model, pooling: Pooling) -> keras.Model:
    """Return a KerasHub backbone with pooling: a dict of its `TEXT_INPUTS` -> features, float32 [n,d].

    Of an encoder-decoder only the encoder is used.

    Raises:
        TrunkError: `pooling` is POOLER and the backbone has none.
    """
    backbone = _extract_encoder(backbone)
    inputs = {tensor.name: tensor for tensor in backbone.inputs}
    output: Any = backbone.output
    tokens = output["sequence_output"] if isinstance(output, dict) else output
    if pooling is Pooling.MEAN:
        if "padding_mask" not in inputs:  # FNet itself attends to padding; the mean does not
            inputs["padding_mask"] = keras.Input((None,), dtype="int32", name="padding_mask")
        features = MeanOverMask(name="mean")(tokens, inputs["padding_mask"])
    elif pooling is Pooling.CLS:
        features = FirstToken(name="first")(tokens)
    elif isinstance(output, dict) and "pooled_output" in output:
        features = output["pooled_output"]
    else:
        raise TrunkError(f"{backbone.name} was pretrained without a pooler. Choose the pooling `mean` or `cls`.")
    ordered = {name: inputs[name] for name in TEXT_INPUTS if name in inputs}
    return keras.Model(ordered, features, name=f"{backbone.name}_{pooling}")


def _extract_encoder(backbone: keras.Model) -> keras.Model:
    """Return the encoder of an encoder-decoder, with the input names of `TEXT_INPUTS`; other backbones unchanged.

    Of untied token embeddings the encoder keeps the input embedding only.
    """
    if not (isinstance(backbone.output, dict) and _ENCODER_OUTPUT in backbone.output):
        return backbone
    inputs = [backbone.input[f"encoder_{name}"] for name in TEXT_INPUTS[:2]]
    numbered_encoder = keras.Model(inputs, backbone.output[_ENCODER_OUTPUT], name=backbone.name)
    text_inputs = [keras.Input((None,), dtype="int32", name=name) for name in TEXT_INPUTS[:2]]
    encoder = keras.models.clone_model(numbered_encoder, input_tensors=text_inputs, clone_function=_use_input_embedding)
    t5_norm_weights = [weight for weight in encoder.weights if _T5_NORM_PATH.search(weight.path)]
    for number, weight in enumerate(t5_norm_weights):
        weight._path = _T5_NORM_PATH.sub(f"/layer_norm_{number}/", weight.path)
    return encoder


def _use_input_embedding(layer: keras.Layer) -> keras.Layer:
    """Return `layer`, or the input embedding of a ReversibleEmbedding with two tables."""
    if not hasattr(layer, "reverse_embeddings"):
        return layer
    table = keras.layers.Embedding(layer.input_dim, layer.output_dim, name=layer.name)
    table.build()
    table.set_weights([keras.ops.convert_to_numpy(layer.embeddings)])
    return table
