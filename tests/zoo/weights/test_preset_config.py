"""A preset's image converter, read without Keras: the same numbers as KerasHub's own class has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from graft.errors import WeightsError
from tests.support.presets.keras_hub_text_presets import keras_hub
from zoo.catalog.backbone import AffineScaling, ImageSpec
from zoo.catalog.find import get_backbone
from zoo.weights.preset_config import resolve_preset

ENTRY = get_backbone("resnet_50.imagenet")


def takes_of(config: object, folder: Path) -> ImageSpec:
    (folder / "image_converter.json").write_text(json.dumps(config))
    takes = resolve_preset(ENTRY, folder).takes
    assert isinstance(takes, ImageSpec)
    return takes


@pytest.mark.parametrize(
    "arguments",
    [
        {"image_size": (224, 224), "scale": 1 / 255},
        {"image_size": (384, 384), "scale": [0.01, 0.02, 0.03], "offset": [-1.0, -2.0, -3.0]},
        {"image_size": (518, 518), "scale": 0.5, "offset": -1},
        {"height": 64, "width": 64, "scale": 1 / 255, "mean": [0.4, 0.5, 0.6], "variance": [0.04, 0.09, 0.16]},
        {"image_size": (32, 32)},
    ],
)
def test_preset_config_pixel_scaling_equals_keras_hub(arguments: dict[str, Any], tmp_path: Path) -> None:
    found = takes_of({"config": arguments}, tmp_path)
    own = keras_hub().layers.ImageConverter(**arguments)
    assert (found.size, found.size) == own.image_size
    assert isinstance(found.scaling, AffineScaling)
    assert found.scaling.scale == pytest.approx(numbers(own.scale, 1.0))
    assert found.scaling.offset == pytest.approx(numbers(own.offset, 0.0))


def numbers(own: Any, usual: float) -> list[float]:
    return [usual] if own is None else own if isinstance(own, list) else [own]


def test_preset_config_leaves_complete_entries_alone(tmp_path: Path) -> None:
    for name in ("vgg16", "bert_tiny.en_uncased"):
        assert resolve_preset(get_backbone(name), tmp_path) is get_backbone(name)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ([], "TypeError"),
        ({}, "config"),
        ({"config": {}}, "height"),
        ({"config": {"image_size": [224, 192]}}, "224 x 192"),
        ({"config": {"image_size": [10**6, 10**6]}}, "squares of up to"),
        ({"config": {"image_size": ["x", "x"]}}, "squares"),
        ({"config": {"image_size": [9, 9], "scale": [1, 2]}}, "three channels"),
        ({"config": {"image_size": [9, 9], "scale": "x"}}, "could not convert"),
        ({"config": {"image_size": [9, 9], "offset": float("inf")}}, "finite"),
        ({"config": {"image_size": [9, 9], "mean": [0, 0, 0], "variance": [0, 0, 0]}}, "ZeroDivision"),
        ({"config": {"image_size": [9, 9], "data_format": "channels_first"}}, "channels come first"),
    ],
)
def test_preset_config_that_is_invalid_is_refused(config: object, message: str, tmp_path: Path) -> None:
    with pytest.raises(
        WeightsError, match=rf"(?s)resnet_50\.imagenet in .* gives no supported.*{message}.*Pull it again"
    ):
        takes_of(config, tmp_path)


def test_preset_config_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="FileNotFoundError"):
        resolve_preset(ENTRY, tmp_path)
