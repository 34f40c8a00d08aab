"""Random weights with realistic activations, for benchmarks and tests where published weights cannot be fetched.

python -m zoo.convert.networks.random_weights NAME FILE.weights.h5

A library's initial weights test little: with untrained batch normalization, features explode or vanish over a hundred
layers, and ConvNeXt's layer scale of 1e-6 hides its blocks. So kernels preserve variance (He et al. 2015,
https://arxiv.org/abs/1502.01852), other weights are drawn around their usual size, and batch normalization takes the
statistics of photo crops, white and noise: an input unlike all of these would explode, and rounding errors with it.
"""

from __future__ import annotations

import dataclasses
import math
import sys
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
from numpy.typing import NDArray

from zoo.catalog.backbone import AffineScaling, ImageSpec, Scaling
from zoo.catalog.find import get_backbone
from zoo.convert.networks import (
    assign_weights,
    build_backbone_network,
    network_input_size,
    require_pixels,
    scale_pixels,
)
from zoo.sample_inputs import random_photo_crops

_POSITIVE_SUFFIXES: Final = ("gamma", "variance", "layer_scale/variable")  # last words of their paths
# In pixels; larger images do not improve the statistics, and Keras holds all their activations at once.
_MAX_IMAGE_SIZE: Final = 224
_SEED: Final = 0


def randomize_weights(inner: keras.Model, size: int, scaling: Scaling | AffineScaling) -> None:
    """Set random weights from a fixed seed in a network: scaled pixels, float32 [n,size,size,3] -> maps."""
    rng = np.random.default_rng(_SEED)
    keras.utils.set_random_seed(_SEED)
    assign_weights(inner, [draw_weights(rng, variable) for variable in inner.weights])
    norms = [layer for layer in inner._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)]
    momenta = [layer.momentum for layer in norms]
    for layer in norms:
        layer.momentum = 0.0  # the statistics become those of this batch
    inner(scale_pixels(_batch_norm_images(size, rng), scaling), training=True)
    for layer, momentum in zip(norms, momenta, strict=True):
        layer.momentum = momentum
        variance = layer.moving_variance.numpy()
        # A nearly constant channel would be scaled up enormously, and rounding errors with it.
        layer.moving_variance.assign(np.maximum(variance, np.median(variance)))


def draw_weights(rng: np.random.Generator, variable: keras.Variable) -> NDArray[Any]:
    """Return random values of one variable's shape and dtype that keep activations near one from layer to layer."""
    shape, path = tuple(variable.shape), variable.path
    if not np.issubdtype(np.dtype(variable.dtype), np.floating):
        return variable.numpy()  # type: ignore[no-any-return]  # keras has no types
    if len(shape) > 1:
        depthwise = len(shape) == 4 and ("depthwise" in path or "dwconv" in path or shape[-1] == 1)
        inputs = math.prod(shape[:2]) if depthwise else math.prod(shape[:-1])
        return rng.normal(0, (2 / inputs) ** 0.5, shape).astype(np.float32)
    if path.endswith(_POSITIVE_SUFFIXES):
        return rng.uniform(0.5, 1.5, shape).astype(np.float32)
    # beta near 1: most normalized values lie where an activation is nearly linear; otherwise deep networks are chaotic.
    return rng.normal(1.0 if path.endswith("beta") else 0.0, 0.1, shape).astype(np.float32)


def _batch_norm_images(size: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return two photo crops, white and noise, uint8 [4,size,size,3]."""
    white, noise = np.full((1, size, size, 3), 255, np.uint8), rng.integers(0, 256, (1, size, size, 3), np.uint8)
    return np.concatenate([random_photo_crops(2, size, seed=5), white, noise])


def main(name: str, file: Path) -> None:
    """Write random weights for the backbone `name`."""
    backbone = get_backbone(name)
    pixels = require_pixels(backbone)
    side = min(network_input_size(backbone), _MAX_IMAGE_SIZE)
    inner = build_backbone_network(
        dataclasses.replace(backbone, takes=ImageSpec(size=side, scaling=pixels.scaling)), None
    )
    randomize_weights(inner, side, pixels.scaling)
    inner.save_weights(file)  # independent of the image size


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
