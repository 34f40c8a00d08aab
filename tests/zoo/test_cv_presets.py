"""From a preset of KerasCV, written by KerasCV, to features: its network rescales pixels by itself."""

from __future__ import annotations

import dataclasses
import json
import math
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tests.zoo.image_presets import drawn
from zoo.backbone import Backbone, Pixels, Scaling, get
from zoo.catalog import cv
from zoo.catalog.preset import rows
from zoo.errors import WeightsError
from zoo.pictures import crops
from zoo.presets import settled
from zoo.trunk import open_session

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:keras"),
]
SIZE = 64
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
NAMES = {row["family"]: row["name"] for row in rows("cv.json")}


def keras_cv() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return __import__("keras_cv")


def saved(family: str, folder: Path, *, rescales: bool = True) -> Any:
    """A tiny network with random weights, that KerasCV itself has written under `folder`."""
    from keras_cv.src.utils.preset_utils import save_to_preset

    model = getattr(keras_cv().models, family)(include_rescaling=rescales, **CONFIGS[family])
    random = np.random.default_rng(0)
    model.set_weights([drawn(random, weight) for weight in model.weights])
    save_to_preset(model, str(folder))
    return model


def entry_of(family: str, size: int) -> Backbone:
    entry = get(NAMES[family])
    assert isinstance(entry.takes, Pixels)
    return dataclasses.replace(entry, takes=dataclasses.replace(entry.takes, size=size))


def test_every_family_has_a_tiny_network() -> None:
    assert {row["family"] for row in rows("cv.json")} == CONFIGS.keys()
    assert all(entry.cannot is None for entry in cv.TABLE)


@pytest.mark.parametrize(
    "family", [f if f in ("ResNetV2Backbone",) else pytest.param(f, marks=pytest.mark.slow) for f in CONFIGS]
)
def test_a_preset_s_graph_repeats_keras_cv(family: str, tmp_path: Path) -> None:
    import keras

    from zoo.build.fp32 import build

    model = saved(family, tmp_path)
    size = model.input_shape[1] or SIZE
    data, report = build(entry_of(family, size), tmp_path / "model.weights.h5")  # which proves batches of 1 and 7
    assert report["input"]["size"] == size
    pictures = crops(7, size, seed=3)
    maps = keras.ops.convert_to_numpy(model(pictures.astype("float32"), training=False))
    expected = maps.mean(axis=(1, 2))
    session = open_session(data)
    for batch in (1, 7):
        ours = session.run(None, {"image": pictures[:batch]})[0]
        assert np.abs(ours - expected[:batch]).max() <= 1e-4 * np.abs(expected).max()


_RESNET = {
    "stackwise_filters": [64, 128, 256, 512],
    "stackwise_blocks": [3, 4, 6, 3],
    "stackwise_strides": [1, 2, 2, 2],
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "family", "layers"),
    [
        (
            "csp_darknet_l",
            "CSPDarkNet",
            {"stackwise_channels": [128, 256, 512, 1024], "stackwise_depth": [3, 9, 9, 3]},
        ),
        (
            "csp_darknet_tiny",
            "CSPDarkNet",
            {"stackwise_channels": [48, 96, 192, 384], "stackwise_depth": [1, 3, 3, 1]},
        ),
        ("mit_b0", "MiT", {"depths": [2, 2, 2, 2], "embedding_dims": [32, 64, 160, 256]}),
        ("resnet50", "ResNet", _RESNET),
        ("resnet50_v2", "ResNetV2", _RESNET),
    ],
)
def test_parameters_are_those_of_the_published_layers(name: str, family: str, layers: dict[str, Any]) -> None:
    import keras

    with keras.StatelessScope(initialize_variables=False):  # shapes without memory
        model = getattr(keras_cv().models, f"{family}Backbone")(include_rescaling=True, **layers)
    assert sum(math.prod(weight.shape) for weight in model.weights) == get(f"{name}.cv_imagenet").params


def test_a_network_that_does_not_rescale_is_refused(tmp_path: Path) -> None:
    saved("ResNetBackbone", tmp_path, rescales=False)
    with pytest.raises(WeightsError, match="does not scale its pixels, and nothing says who does"):
        settled(get("resnet50.cv_imagenet"), tmp_path)
    facts = json.loads((tmp_path / "config.json").read_bytes())
    facts["config"]["include_rescaling"] = True
    (tmp_path / "config.json").write_text(json.dumps(facts))
    takes = settled(get("resnet50.cv_imagenet"), tmp_path).takes
    assert takes == Pixels(size=224, scaling=Scaling.RAW)


def test_damaged_files_are_told(tmp_path: Path) -> None:
    from zoo.build.fp32 import build

    saved("ResNetBackbone", tmp_path)
    (tmp_path / "model.weights.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(500))
    with pytest.raises(WeightsError, match="does not hold the network that it should"):
        build(entry_of("ResNetBackbone", SIZE), tmp_path / "model.weights.h5")
