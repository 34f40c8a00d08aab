"""Tiny random presets of KerasCV's families, in its own form on disk."""

from __future__ import annotations

import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from tests.support.presets.keras_hub_image_presets import draw_weights
from zoo.catalog.backbone import Scaling
from zoo.convert.networks.random_weights import randomize_weights

SIZE = 64
SIDE = 224  # of published networks
CONFIGS: dict[str, dict[str, Any]] = {
    "CSPDarkNetBackbone": {"stackwise_channels": [8, 16], "stackwise_depth": [1, 1]},
    "DenseNetBackbone": {"stackwise_num_repeats": [1, 2], "growth_rate": 8},
    "EfficientNetV2Backbone": {
        "width_coefficient": 1.0,
        "depth_coefficient": 1.0,
        "stackwise_kernel_sizes": [3, 3],
        "stackwise_num_repeats": [1, 2],
        "stackwise_input_filters": [8, 8],
        "stackwise_output_filters": [8, 16],
        "stackwise_expansion_ratios": [1, 4],
        "stackwise_squeeze_and_excite_ratios": [0.0, 0.25],
        "stackwise_strides": [1, 2],
        "stackwise_conv_types": ["fused", "unfused"],
    },
    "MiTBackbone": {"depths": [1, 1, 1, 1], "embedding_dims": [8, 16, 20, 24], "input_shape": (224, 224, 3)},
    "MobileNetV3Backbone": {
        "stackwise_expansion": [1, 4],
        "stackwise_filters": [16, 24],
        "stackwise_kernel_size": [3, 5],
        "stackwise_stride": [2, 2],
        "stackwise_se_ratio": [0.25, None],
        "stackwise_activation": ["relu", "hard_swish"],
    },
    "ResNetBackbone": {"stackwise_filters": [8, 16], "stackwise_blocks": [1, 2], "stackwise_strides": [1, 2]},
    "ResNetV2Backbone": {"stackwise_filters": [8, 16], "stackwise_blocks": [2, 2], "stackwise_strides": [1, 2]},
    "YOLOV8Backbone": {"stackwise_channels": [8, 16], "stackwise_depth": [1, 1]},
}


def keras_cv() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return __import__("keras_cv")


def save_keras_cv_preset(
    family: str, folder: Path, layers: dict[str, Any] | None = None, *, rescales: bool = True
) -> keras.Model:
    """A network with random weights, that KerasCV itself has written under `folder`; a tiny one without `layers`."""
    from keras_cv.src.utils.preset_utils import save_to_preset

    model = getattr(keras_cv().models, family)(include_rescaling=rescales, **layers or CONFIGS[family])
    if layers:
        randomize_weights(model, SIDE, Scaling.RAW)
    else:
        random = np.random.default_rng(0)
        model.set_weights([draw_weights(random, weight) for weight in model.weights])
    save_to_preset(model, str(folder))
    return model


def keras_cv_features(model: keras.Model, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Features [n,d] by KerasCV alone: the mean of the network's maps."""
    maps = keras.ops.convert_to_numpy(model(pictures.astype("float32"), training=False))
    return maps.mean(axis=(1, 2))
