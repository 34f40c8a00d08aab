"""Load KerasHub presets: any backbone, an image classifier, an image network with its pooling."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import keras
import keras_hub

from graft.errors import TrunkError, WeightsError
from zoo.catalog.backbone import Pooling
from zoo.convert.networks.split_last_dense import drop_last_dense
from zoo.convert.networks.text import FirstToken

_MAX_REASON_LENGTH: Final = 300  # characters of Keras' message in ours


@keras.saving.register_keras_serializable("graft")
class MeanOverTokens(keras.layers.Layer):  # type: ignore[misc]  # keras has no types
    """Mean over all tokens: float32 [n,t,d] -> float32 [n,d]."""

    def call(self, tokens: keras.KerasTensor) -> keras.KerasTensor:
        """Return the means."""
        return keras.ops.mean(tokens, axis=1)


def preset(pooling: str, size: int, weights: Path | None) -> keras.Model:
    """Return the image network of a preset: scaled pixels, float32 [n,size,size,3] -> maps [n,h,w,d] or features [n,d].

    `weights` is the weights file in the preset's folder. Of a preset with two towers the image tower is taken.

    Raises:
        TrunkError: there is no preset; or its network has another input size than its image converter.
        WeightsError: the files do not hold the network.
    """
    if weights is None:
        raise TrunkError("the layers of this network come from its preset. Pull it first.")
    hub = load_preset_backbone(weights.parent, "the expected network")
    hub = getattr(hub, "vision_encoder", hub)
    image, maps = _apply_to_image(hub, size)
    return keras.Model(image, _pool_output(maps, Pooling(pooling), hub.name), name=hub.name)


def below_top(size: int, weights: Path | None) -> keras.Model:
    """Return the classifier of a preset up to its last dense layer: scaled pixels, float32 [n,size,size,3] -> [n,d].

    Raises:
        TrunkError: there is no preset; or the classifier does not end with a dense layer.
        WeightsError: the files do not hold the classifier.
    """
    if weights is None:
        raise TrunkError("the layers of this network come from its preset. Pull it first.")
    body = drop_last_dense(load_preset_classifier(weights.parent))
    return keras.Model(*_apply_to_image(body, size), name=body.name)


def load_preset_backbone(folder: Path, description: str) -> keras.Model:
    """Return the backbone of the preset in `folder`; `description` names it in the error message.

    Raises:
        WeightsError: the files do not hold a backbone, or not all of its weights.
    """
    try:
        return keras_hub.models.Backbone.from_preset(str(folder))
    except (OSError, ValueError, KeyError, TypeError) as fault:  # what Keras raises for foreign files
        raise wrong_preset_error(folder, description, fault) from None


def load_preset_classifier(folder: Path) -> keras.Model:
    """Return the image classifier of the preset in `folder`.

    Raises:
        WeightsError: the files do not hold one, or not all of its weights.
    """
    try:
        return keras_hub.models.ImageClassifier.from_preset(str(folder))
    except (OSError, ValueError, KeyError, TypeError) as fault:  # what Keras raises for foreign files
        raise wrong_preset_error(folder, "an image classifier", fault) from None


def wrong_preset_error(folder: Path, description: str, fault: Exception) -> WeightsError:
    """Return the error for a folder that does not hold the network `description`."""
    reason = " ".join(str(fault).split())[:_MAX_REASON_LENGTH]
    return WeightsError(f"{folder} does not hold {description} ({reason}). Pull it again.")


def _apply_to_image(hub: keras.Model, size: int) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Return an input of scaled pixels, float32 [n,size,size,3], and a network's output for it."""
    image = keras.Input((size, size, 3), name="pixels")
    (inner,) = keras.tree.flatten(hub.input)
    if inner.shape[1:3] not in ((None, None), (size, size)):
        raise TrunkError(
            f"{hub.name} takes images of {inner.shape[1]} x {inner.shape[2]}; "
            f"its preset's image converter makes {size} x {size}. Choose another backbone."
        )
    return image, hub(dict.fromkeys(hub.input, image) if isinstance(hub.input, dict) else image, training=False)


def _pool_output(output: Any, pooling: Pooling, name: str) -> keras.KerasTensor:  # noqa: ANN401 - Keras has no types
    """Return maps unchanged; of tokens the first or the mean; of maps at several scales the coarsest."""
    if isinstance(output, dict):
        output = list(output.values())[-1]
    rank = len(output.shape)
    if (rank == 4 and pooling is Pooling.MEAN) or (rank == 2 and pooling is Pooling.POOLER):
        return output
    if rank == 3 and pooling is not Pooling.POOLER:
        return (FirstToken if pooling is Pooling.CLS else MeanOverTokens)(name=str(pooling))(output)
    raise TrunkError(f"{name} outputs an array of {rank} axes, which does not fit the pooling `{pooling}`.")
