"""Keras networks with their pretrained weights: backbone -> keras.Model, uint8 pixels -> features."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
from numpy.typing import NDArray

from graft.errors import TrunkError
from zoo.catalog.backbone import AffineScaling, Backbone, ImageSpec, Scaling

_IMAGENET_MEAN_BGR: Final = (103.939, 116.779, 123.68)
_IMAGENET_MEAN: Final = (0.485, 0.456, 0.406)  # RGB, of pixels from 0 to 1
_IMAGENET_STD: Final = (0.229, 0.224, 0.225)

# The first word of `Backbone.builder` -> module beside this one, where they differ: the words are data of the catalog.
_MODULES: Final = {
    "applications": "applications_networks",
    "cv": "keras_cv_networks",
    "hub": "keras_hub_networks",
}


def build_trunk_network(backbone: Backbone, weights: Path | None) -> keras.Model:
    """Return the whole trunk: `image`, uint8 [n,s,s,3] -> `features`, float32 [n,d].

    `weights` is the verified file; None leaves the weights random.
    """
    return trunk_from_network(backbone, build_backbone_network(backbone, weights))


def trunk_from_network(backbone: Backbone, inner: keras.Model) -> keras.Model:
    """Return the trunk that has `inner`, a network that `build_backbone_network` gives, between pixels and features."""
    pixels, size = require_pixels(backbone), network_input_size(backbone)
    image = keras.Input((size, size, 3), dtype="uint8", name="image")
    features = global_average_pool(inner(scale_pixels(image, pixels.scaling), training=False))
    return keras.Model(image, features, name=backbone.name.replace(".", "_"))


def global_average_pool(maps: keras.KerasTensor) -> keras.KerasTensor:
    """Return the mean of maps, float32 [n,h,w,d], over their places: [n,d]; of what has no places, itself."""
    if len(maps.shape) == 2:
        return maps
    # A mean over the last two axes is what ONNX does anyway: the transpose cancels out on conversion.
    return keras.ops.mean(keras.ops.transpose(maps, (0, 3, 1, 2)), axis=(2, 3))


def build_backbone_network(backbone: Backbone, weights: Path | None) -> keras.Model:
    """Return the network alone: scaled pixels, float32 [n,s,s,3] -> maps, float32 [n,h,w,d]."""
    module, function, *words = backbone.builder.split(":")
    model: keras.Model = getattr(importlib.import_module(f"{__name__}.{_MODULES.get(module, module)}"), function)(
        *words, network_input_size(backbone), weights
    )
    return model


def assign_weights(model: keras.Model, arrays: Sequence[NDArray[Any]]) -> None:
    """Give a network its weights, in their order; layers that keep a copy of theirs take a new one."""
    model.set_weights(arrays)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()


def require_pixels(backbone: Backbone) -> ImageSpec:
    """Return what an image network takes.

    Raises:
        TrunkError: it takes no image.
    """
    if isinstance(backbone.takes, ImageSpec):
        return backbone.takes
    raise TrunkError(f"{backbone.name} takes text; an image network was asked for.")


def network_input_size(backbone: Backbone) -> int:
    """Return the side of the pictures that an image network takes, in pixels.

    Raises:
        TrunkError: it takes no image; or its size stands in its preset, which has not been read.
    """
    size = require_pixels(backbone).size
    if size is None:
        raise TrunkError(f"the size of {backbone.name}'s pictures stands in its preset. Run: zoo pull {backbone.name}")
    return size


def scale_pixels(image: keras.KerasTensor, scaling: Scaling | AffineScaling) -> keras.KerasTensor:
    """Return uint8 pixels as the float32 numbers the network was trained on.

    Raises:
        TrunkError: the scaling stands in a preset, which has not been read.
    """
    if scaling is Scaling.PRESET:
        raise TrunkError("how pixels are scaled stands in the preset, which has not been read. Pull it first.")
    if isinstance(scaling, AffineScaling):
        scale, offset = np.array(scaling.scale, "float32"), np.array(scaling.offset, "float32")
        return keras.ops.cast(image, "float32") * scale + offset
    if scaling is Scaling.CAFFE:
        # Gather reverses the channels; ONNX has no cheap counterpart of a flip.
        bgr = keras.ops.cast(keras.ops.take(image, [2, 1, 0], axis=-1), "float32")
        return bgr - np.array(_IMAGENET_MEAN_BGR, "float32")
    pixels = keras.ops.cast(image, "float32")
    if scaling is Scaling.UNIT_SIGNED:
        return pixels / 127.5 - 1.0
    if scaling is Scaling.LITE:
        return (pixels - 127.0) / 128.0
    if scaling is Scaling.HALF_RANGE:
        return pixels / 128.0 - 1.0
    if scaling is Scaling.TORCH:
        mean, std = (255.0 * np.array(numbers) for numbers in (_IMAGENET_MEAN, _IMAGENET_STD))
        return (pixels - mean.astype("float32")) / std.astype("float32")
    return pixels
