"""Tiny random presets of KerasHub's image families, in its own form on disk."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from tests.support.presets.keras_hub_text_presets import keras_hub
from zoo.catalog.backbone import AffineScaling, Backbone, Pooling
from zoo.catalog.find import get_backbone
from zoo.catalog.presets import read_preset_rows
from zoo.convert.networks.random_weights import randomize_weights

SIZE = 64


SCALE, OFFSET = (0.017, 0.0175, 0.0174), (-2.1, -2.0, -1.8)


SHAPE = (SIZE, SIZE, 3)


_VIT = {"num_layers": 2, "num_heads": 2, "hidden_dim": 16, "image_shape": SHAPE}


_EFFICIENT = {
    "stackwise_kernel_sizes": [3, 5],
    "stackwise_num_repeats": [1, 2],
    "stackwise_input_filters": [16, 16],
    "stackwise_output_filters": [16, 24],
    "stackwise_expansion_ratios": [1, 4],
    "stackwise_squeeze_and_excite_ratios": [0.25, 0.25],
    "stackwise_strides": [1, 2],
    "stackwise_block_types": ["v1", "unfused"],
    "stackwise_force_input_filters": [0, 0],
    "stackwise_nores_option": [False, False],
    "width_coefficient": 1.0,
    "depth_coefficient": 1.0,
}


_MOBILE = {
    "stackwise_expansion": [[16], [32, 40]],
    "stackwise_num_blocks": [1, 2],
    "stackwise_num_filters": [[8], [16, 16]],
    "stackwise_kernel_size": [[3], [5, 5]],
    "stackwise_num_strides": [[2], [2, 1]],
    "stackwise_se_ratio": [[None], [0.25, 0.25]],
    "stackwise_activation": [["relu"], ["hard_swish", "hard_swish"]],
    "stackwise_padding": [[1], [2, 2]],
    "output_num_filters": 48,
    "depthwise_filters": 8,
    "depthwise_stride": 2,
    "depthwise_residual": False,
    "last_layer_filter": 32,
    "input_num_filters": 16,
    "squeeze_and_excite": 0.5,
}


_MOBILE_V5 = {
    "stackwise_block_types": [["er"], ["uir", "mqa"]],
    "stackwise_num_blocks": [1, 2],
    "stackwise_num_filters": [[24], [48, 48]],
    "stackwise_strides": [[2], [2, 1]],
    "stackwise_act_layers": [["gelu"], ["gelu", "gelu"]],
    "stackwise_exp_ratios": [[4.0], [6.0, 0.0]],
    "stackwise_se_ratios": [[0.0], [0.0, 0.0]],
    "stackwise_dw_kernel_sizes": [[0], [5, 3]],
    "stackwise_dw_start_kernel_sizes": [[0], [0, 0]],
    "stackwise_dw_end_kernel_sizes": [[0], [0, 0]],
    "stackwise_exp_kernel_sizes": [[3], [0, 0]],
    "stackwise_pw_kernel_sizes": [[1], [0, 0]],
    "stackwise_num_heads": [[0], [0, 2]],
    "stackwise_key_dims": [[0], [0, 8]],
    "stackwise_value_dims": [[0], [0, 8]],
    "stackwise_kv_strides": [[0], [0, 2]],
    "stackwise_use_cpe": [[False], [False, False]],
    "num_features": 32,
    "msfa_output_resolution": 8,
}


CONFIGS: dict[str, dict[str, Any]] = {  # KerasHub's class, without "Backbone"
    "CSPNet": {
        "stem_filters": 8,
        "stem_kernel_size": 3,
        "stem_strides": 1,
        "stackwise_depth": [1, 2],
        "stackwise_strides": [1, 2],
        "stackwise_num_filters": [8, 16],
        "block_type": "dark_block",
        "stage_type": "csp",
        "bottle_ratio": [0.5, 1.0],
        "block_ratio": [1.0, 0.5],
        "expand_ratio": [2.0, 1.0],
    },
    "DINOV2": _VIT
    | {
        "patch_size": 14,
        "intermediate_dim": 32,
        "image_shape": (70, 70, 3),
        "position_embedding_shape": (98, 98, 3),
        "num_register_tokens": 2,
    },
    "DINOV3": _VIT | {"patch_size": 16, "intermediate_dim": 32},
    "DeiT": _VIT | {"patch_size": 16, "intermediate_dim": 32},
    "DenseNet": {"stackwise_num_repeats": [1, 2], "growth_rate": 8},
    "EfficientNet": _EFFICIENT,
    "HGNetV2": {
        "depths": [1, 2],
        "embedding_size": 16,
        "hidden_sizes": [32, 48],
        "stem_channels": [3, 8, 16],
        "hidden_act": "relu",
        "use_learnable_affine_block": True,
        "stackwise_stage_filters": [(16, 8, 32, 1, 1, 3), (32, 16, 48, 1, 2, 3)],
        "apply_downsample": [False, True],
        "use_lightweight_conv_block": [False, True],
    },
    "MiT": {
        "layerwise_depths": [1, 1],
        "layerwise_num_heads": [1, 2],
        "layerwise_sr_ratios": [4, 2],
        "layerwise_patch_sizes": [7, 3],
        "layerwise_strides": [4, 2],
        "num_layers": 2,
        "hidden_dims": [16, 32],
        "max_drop_path_rate": 0.1,
        "image_shape": SHAPE,
    },
    "MobileNet": _MOBILE,
    "MobileNetV5": _MOBILE_V5,
    "ResNet": {
        "input_conv_filters": [64],
        "input_conv_kernel_sizes": [7],
        "stackwise_num_filters": [64, 64],
        "stackwise_num_blocks": [1, 2],
        "stackwise_num_strides": [1, 2],
        "block_type": "basic_block",
    },
    "SwinTransformer": {
        "image_shape": SHAPE,
        "embed_dim": 8,
        "depths": (2, 2),
        "num_heads": (2, 4),
        "window_size": 4,
    },
    "VGG": {"stackwise_num_repeats": [1, 2], "stackwise_num_filters": [8, 16]},
    "ViT": _VIT | {"patch_size": 16, "mlp_dim": 32},
    "Xception": {"stackwise_conv_filters": [[8, 16], [24, 24]], "stackwise_pooling": [True, False]},
}


_TEXT_TOWER = {
    "vocabulary_size": 50,
    "embedding_dim": 16,
    "hidden_dim": 16,
    "num_layers": 1,
    "num_heads": 2,
    "intermediate_dim": 32,
    "max_sequence_length": 8,
}


_IMAGE_TOWER = _VIT | {"patch_size": 16, "intermediate_dim": 32}


TOWERS: dict[str, dict[str, Any]] = {"CLIP": {"projection_dim": 16}, "MetaCLIP2": {"projection_dim": 16}, "SigLIP": {}}


NAMES = {row["family"].removesuffix("Backbone"): row["name"] for row in read_preset_rows("hub.json")}


def tiny_image_network(family: str, **sizes: Any) -> keras.Model:
    """A tiny network of a family whose every weight is random, norms too; `sizes` are other than those above."""
    models = keras_hub().models
    if family in TOWERS:
        image = getattr(models, f"{family}VisionEncoder")(**_IMAGE_TOWER)
        text = getattr(models, f"{family}TextEncoder")(**_TEXT_TOWER)
        model = getattr(models, f"{family}Backbone")(vision_encoder=image, text_encoder=text, **TOWERS[family])
    else:
        model = getattr(models, f"{family}Backbone")(**CONFIGS[family] | sizes)
    random = np.random.default_rng(0)
    for weight in model.weights:
        if weight.dtype.startswith("float"):
            weight.assign(draw_weights(random, weight))
    return model


def tiny_input_size(family: str) -> int:
    """The side of the pictures that the tiny network of a family takes."""
    return CONFIGS.get(family, {}).get("image_shape", SHAPE)[0]


def draw_weights(random: np.random.Generator, weight: keras.Variable) -> np.ndarray:
    """Numbers that keep activations near one from layer to layer."""
    name, shape = weight.path.rpartition("/")[2], tuple(weight.shape)
    if "variance" in name or "gamma" in name or "scale" in name:
        return random.uniform(0.5, 1.5, shape)
    if len(shape) < 2:
        return random.normal(0, 0.1, shape)
    inputs = np.prod(shape[:-2]) if "depthwise" in name else np.prod(shape[:-1])
    return random.normal(0, float(inputs) ** -0.5, shape)


def build_published_network(family: str, layers: dict[str, Any], size: int) -> keras.Model:
    """A network of published layers, for pictures of `size`, with random weights that keep it alive."""
    model = getattr(keras_hub().models, f"{family}Backbone")(**layers)
    image = keras.Input((size, size, 3))
    randomize_weights(
        keras.Model(image, _apply_to_image(model, image)), size, AffineScaling(scale=SCALE, offset=OFFSET)
    )
    return model


def save_preset(family: str, folder: Path, sizes: dict[str, Any] | None = None, **converter: Any) -> None:
    """Let KerasHub write a tiny preset under `folder`, with its image converter."""
    save(tiny_image_network(family, **sizes or {}), family, folder, **converter)


def save(model: keras.Model, family: str, folder: Path, **converter: Any) -> None:
    """Let KerasHub write a preset of `model` under `folder`; `converter` is other than usual."""
    model.save_to_preset(str(folder))
    size = tiny_input_size(family)
    cls = getattr(keras_hub().layers, f"{family}ImageConverter")
    cls(**{"image_size": (size, size), "scale": [*SCALE], "offset": [*OFFSET], **converter}).save_to_preset(str(folder))


def keras_hub_features(folder: Path, pictures: NDArray[np.uint8], pooling: Pooling) -> NDArray[np.float32]:
    """Features [n,d] by KerasHub alone: its converter, its network, and the mean or the first token of what it says."""
    scaled = keras_hub().layers.ImageConverter.from_preset(str(folder))(pictures)
    model = keras_hub().models.Backbone.from_preset(str(folder))
    output = _apply_to_image(getattr(model, "vision_encoder", model), scaled)
    coarsest = list(output.values())[-1] if isinstance(output, dict) else output
    features = keras.ops.convert_to_numpy(coarsest)
    if features.ndim == 2:
        return features
    return features[:, 0] if pooling is Pooling.CLS else features.mean(axis=tuple(range(1, features.ndim - 1)))


def _apply_to_image(model: keras.Model, image: Any) -> Any:
    inputs = dict.fromkeys(model.input, image) if isinstance(model.input, dict) else image
    return model(inputs, training=False)


def entry_of(family: str) -> Backbone:
    """An entry of the family; the tiny network is not as wide as that one's, so nothing is known of the width."""
    return dataclasses.replace(get_backbone(NAMES[family]), width=None)
