"""Build the Keras network of a backbone with its pretrained weights; scale uint8 pixels; pool feature maps."""

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

# First word of `Backbone.builder` -> module in this folder, where the names differ: the words are data of the catalog.
_MODULES: Final = {
    "applications": "applications_networks",
    "cv": "keras_cv_networks",
    "hub": "keras_hub_networks",
}


def build_trunk_network(backbone: Backbone, weights: Path | None) -> keras.Model:
    """Return a backbone's trunk: `image`, uint8 [n,s,s,3] -> `features`, float32 [n,d].

    `weights` is the verified file; None: random weights.
    """
    return trunk_from_network(backbone, build_backbone_network(backbone, weights))


def trunk_from_network(backbone: Backbone, inner: keras.Model) -> keras.Model:
    """Return the trunk around `inner`, a network of `build_backbone_network`: scale pixels, run it, pool its maps."""
    pixels, size = require_pixels(backbone), network_input_size(backbone)
    image = keras.Input((size, size, 3), dtype="uint8", name="image")
    features = global_average_pool(inner(scale_pixels(image, pixels.scaling), training=False))
    return keras.Model(image, features, name=backbone.name.replace(".", "_"))


def global_average_pool(maps: keras.KerasTensor) -> keras.KerasTensor:
    """Return the spatial mean of feature maps, float32 [n,h,w,d] -> [n,d]; an array [n,d] is returned unchanged."""
    if len(maps.shape) == 2:
        return maps
    # A mean over the last two axes is what ONNX does anyway: the transpose cancels out on conversion.
    return keras.ops.mean(keras.ops.transpose(maps, (0, 3, 1, 2)), axis=(2, 3))


def build_backbone_network(backbone: Backbone, weights: Path | None) -> keras.Model:
    """Return the network without scaling and pooling: scaled pixels, float32 [n,s,s,3] -> maps, float32 [n,h,w,d]."""
    module, function, *words = backbone.builder.split(":")
    model: keras.Model = getattr(importlib.import_module(f"{__name__}.{_MODULES.get(module, module)}"), function)(
        *words, network_input_size(backbone), weights
    )
    return model


def assign_weights(model: keras.Model, arrays: Sequence[NDArray[Any]]) -> None:
    """Set a network's weights, in the order of `model.weights`; refresh Normalization layers, which cache theirs."""
    model.set_weights(arrays)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()


def require_pixels(backbone: Backbone) -> ImageSpec:
    """Return the image input of a backbone: size and pixel scaling.

    Raises:
        TrunkError: the backbone takes text.
    """
    if isinstance(backbone.takes, ImageSpec):
        return backbone.takes
    raise TrunkError(f"{backbone.name} takes text; an image network is required here.")


def network_input_size(backbone: Backbone) -> int:
    """Return the input size of an image network, in pixels.

    Raises:
        TrunkError: it takes text; or its size is in its preset, which has not been read.
    """
    size = require_pixels(backbone).size
    if size is None:
        raise TrunkError(f"the image size of {backbone.name} is in its preset. Run: zoo pull {backbone.name}")
    return size


def scale_pixels(image: keras.KerasTensor, scaling: Scaling | AffineScaling) -> keras.KerasTensor:
    """Scale pixels, uint8 [n,h,w,3], to the values that the network was trained on, float32 of the same shape.

    Raises:
        TrunkError: the scaling is in a preset, which has not been read.
    """
    if scaling is Scaling.PRESET:
        raise TrunkError("the pixel scaling is in the preset, which has not been read. Pull it first.")
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
