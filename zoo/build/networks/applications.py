"""Networks of keras.applications, without their tops; weights are files we fetched and verified."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import keras


def mobilenet_v2(size: int, weights: Path | None) -> keras.Model:
    """MobileNetV2, width 1.0."""
    return _headless(keras.applications.MobileNetV2, size, weights, alpha=1.0)


def mobilenet_v3_small(size: int, weights: Path | None) -> keras.Model:
    """MobileNetV3-Small, width 1.0; the scaling of pixels is left to us, as everywhere."""
    return _headless(
        keras.applications.MobileNetV3Small, size, weights, alpha=1.0, minimalistic=False, include_preprocessing=False
    )


def resnet50(size: int, weights: Path | None) -> keras.Model:
    """ResNet-50, version 1."""
    return _headless(keras.applications.ResNet50, size, weights)


def vgg16(size: int, weights: Path | None) -> keras.Model:
    """VGG-16."""
    return _headless(keras.applications.VGG16, size, weights)


def _headless(factory: Callable[..., keras.Model], size: int, weights: Path | None, **choices: object) -> keras.Model:
    file = None if weights is None else str(weights)
    return factory(include_top=False, pooling=None, weights=file, input_shape=(size, size, 3), **choices)
