"""Image networks of KerasHub from their presets: scaled pixels -> maps, or features where they pool by themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import keras
import keras_hub

from zoo.backbone import Pooling
from zoo.build.networks.text import FirstToken
from zoo.errors import TrunkError, WeightsError

_LONGEST: Final = 300  # characters of Keras' own words in an error


@keras.saving.register_keras_serializable("graft")
class MeanOverTokens(keras.layers.Layer):  # type: ignore[misc]  # keras has no types
    """Mean over all tokens: float32 [n,t,d] -> float32 [n,d]."""

    def call(self, tokens: keras.KerasTensor) -> keras.KerasTensor:
        """Return the means."""
        return keras.ops.mean(tokens, axis=1)


def preset(pooling: str, size: int, weights: Path | None) -> keras.Model:
    """Return the network of a preset's folder: scaled pixels, float32 [n,s,s,3] -> maps [n,h,w,d] or features [n,d].

    `weights` is the file in that folder. Of a preset with two towers it is the one for images.

    Raises:
        TrunkError: there is no preset to tell the layers; or it takes another size than its own converter makes.
        WeightsError: the files do not hold the network.
    """
    if weights is None:
        raise TrunkError("the layers of this network are told by its preset. Pull it first.")
    hub = _loaded(weights.parent)
    image = keras.Input((size, size, 3), name="pixels")
    (inner,) = keras.tree.flatten(hub.input)
    if inner.shape[1:3] not in ((None, None), (size, size)):
        raise TrunkError(
            f"{hub.name} takes pictures of {inner.shape[1:3]}; its preset's converter makes {size} x {size}."
        )
    maps = hub(dict.fromkeys(hub.input, image) if isinstance(hub.input, dict) else image, training=False)
    return keras.Model(image, _gathered(maps, Pooling(pooling), hub.name), name=hub.name)


def _loaded(folder: Path) -> keras.Model:
    try:
        hub = keras_hub.models.Backbone.from_preset(str(folder))
    except (OSError, ValueError, KeyError, TypeError) as fault:  # Keras' for files that are not its own
        said = " ".join(str(fault).split())[:_LONGEST]
        raise WeightsError(f"{folder} does not hold the network it should ({said}). Pull it again.") from None
    return getattr(hub, "vision_encoder", hub)


def _gathered(output: Any, pooling: Pooling, name: str) -> keras.KerasTensor:  # noqa: ANN401 - Keras has no types
    """Return maps as they are; of tokens the first, or their mean; of maps at several scales the coarsest."""
    if isinstance(output, dict):
        output = list(output.values())[-1]
    rank = len(output.shape)
    if (rank == 4 and pooling is Pooling.MEAN) or (rank == 2 and pooling is Pooling.POOLER):
        return output
    if rank == 3 and pooling is not Pooling.POOLER:
        return (FirstToken if pooling is Pooling.CLS else MeanOverTokens)(name=str(pooling))(output)
    raise TrunkError(f"{name} gives an array of {rank} axes, which the pooling `{pooling}` does not suit.")
