"""KerasHub's text encoders with pooling: token ids -> features, one vector a text."""

from __future__ import annotations

from typing import Any, Final

import keras

from zoo.backbone import Pooling
from zoo.errors import TrunkError

INPUTS: Final = ("token_ids", "padding_mask", "segment_ids")  # each int32 [n,t]; an encoder takes some of them


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


def encoder(backbone: keras.Model, pooling: Pooling) -> keras.Model:
    """Return `backbone` (KerasHub's) with pooling: a dict of those `INPUTS` it takes -> `features`, float32 [n,d].

    Raises:
        TrunkError: the backbone has no pooler.
    """
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
    ordered = {name: inputs[name] for name in INPUTS if name in inputs}
    return keras.Model(ordered, features, name=f"{backbone.name}_{pooling}")
