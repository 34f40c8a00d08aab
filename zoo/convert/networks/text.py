"""KerasHub's text encoders with pooling: token ids -> features, one vector a text."""

from __future__ import annotations

import re
import warnings
from typing import Any, Final

import keras

from graft.errors import TrunkError
from zoo.catalog.backbone import Pooling

TEXT_INPUTS: Final = ("token_ids", "padding_mask", "segment_ids")  # each int32 [n,t]; an encoder takes some of them
# Of T5's attention Keras says that it keeps no mask; it need not, and nobody can do anything about it.
warnings.filterwarnings("ignore", r"Layer '(self|cross)_attention' \(of type T5")

# T5's norms have no names, and Keras counts them through the whole process; a weight is to have one name in all.
_T5_NORM_PATH: Final = re.compile(r"/t5_layer_norm(_\d+)?/")
_ENCODER_OUTPUT: Final = "encoder_sequence_output"  # what KerasHub calls an encoder's output where a decoder follows it


@keras.saving.register_keras_serializable("graft")
class MeanOverMask(keras.layers.Layer):  # type: ignore[misc]  # keras has no types
    """Mean over the tokens that count: float32 [n,t,d], int32 [n,t] -> float32 [n,d]; 0 where none does."""

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
    """Return `backbone` (KerasHub's) with pooling: a dict of those `TEXT_INPUTS` it takes -> `features`, float32 [n,d].

    Of an encoder with a decoder behind it only the encoder is taken.

    Raises:
        TrunkError: the backbone has no pooler.
    """
    backbone = _extract_encoder(backbone)
    inputs = {tensor.name: tensor for tensor in backbone.inputs}
    output: Any = backbone.output
    tokens = output["sequence_output"] if isinstance(output, dict) else output
    if pooling is Pooling.MEAN:
        if "padding_mask" not in inputs:  # FNet looks at every token, padding too; the mean need not
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
    """Return the encoder of `backbone` where that has a decoder besides, its inputs called as those of others are.

    Where tokens are read and written by two tables, the encoder has the one that reads.
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
    """Return `layer` itself; of two tables of tokens, one to read and one to write, that to read."""
    if not hasattr(layer, "reverse_embeddings"):
        return layer
    table = keras.layers.Embedding(layer.input_dim, layer.output_dim, name=layer.name)
    table.build()
    table.set_weights([keras.ops.convert_to_numpy(layer.embeddings)])
    return table
