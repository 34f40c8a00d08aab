"""From a preset of KerasCV, written by KerasCV, to features: its network rescales pixels by itself."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest

from graft.errors import WeightsError
from graft.runtime.session import open_session
from tests.support.presets.keras_cv_presets import CONFIGS, SIZE, keras_cv, keras_cv_features, save_keras_cv_preset
from tests.support.presets.published_layers import CV
from zoo.catalog import keras_cv_backbones
from zoo.catalog.backbone import Backbone, ImageSpec, Scaling
from zoo.catalog.find import get_backbone
from zoo.catalog.presets import families, read_preset_rows
from zoo.sample_inputs import random_photo_crops
from zoo.weights.preset_config import resolve_preset

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:keras"),
]
NAMES = {row["family"]: row["name"] for row in read_preset_rows("cv.json")}


def entry_of(family: str, size: int) -> Backbone:
    entry = get_backbone(NAMES[family])
    assert isinstance(entry.takes, ImageSpec)
    return dataclasses.replace(entry, takes=dataclasses.replace(entry.takes, size=size))


def test_keras_cv_families_all_have_a_tiny_network() -> None:
    assert {row["family"] for row in read_preset_rows("cv.json")} == CONFIGS.keys()
    assert all(entry.cannot is None for entry in keras_cv_backbones.BACKBONES)


@pytest.mark.parametrize(
    "family", [f if f in ("ResNetV2Backbone",) else pytest.param(f, marks=pytest.mark.slow) for f in CONFIGS]
)
def test_keras_cv_trunk_equals_keras_cv(family: str, tmp_path: Path) -> None:
    from zoo.convert.image_trunk import build_image_trunk

    model = save_keras_cv_preset(family, tmp_path)
    size = model.input_shape[1] or SIZE
    data, report = build_image_trunk(
        entry_of(family, size), tmp_path / "model.weights.h5"
    )  # which proves batches of 1 and 7
    assert report["input"]["size"] == size
    pictures = random_photo_crops(7, size, seed=3)
    expected = keras_cv_features(model, pictures)
    session = open_session(data)
    for batch in (1, 7):
        ours = session.run(None, {"image": pictures[:batch]})[0]
        assert np.abs(ours - expected[:batch]).max() <= 1e-4 * np.abs(expected).max()


@pytest.mark.slow
@pytest.mark.parametrize("name", CV)
def test_keras_cv_parameter_counts_equal_the_published_layers(name: str) -> None:
    import keras

    family = families("cv.json")[name]
    with keras.StatelessScope(initialize_variables=False):  # shapes without memory
        model = getattr(keras_cv().models, family)(include_rescaling=True, **CV[name])
    assert sum(math.prod(weight.shape) for weight in model.weights) == get_backbone(name).params


def test_keras_cv_network_without_rescaling_is_refused(tmp_path: Path) -> None:
    save_keras_cv_preset("ResNetBackbone", tmp_path, rescales=False)
    with pytest.raises(WeightsError, match="does not rescale pixels, and its preset gives no scaling"):
        resolve_preset(get_backbone("resnet50.cv_imagenet"), tmp_path)
    facts = json.loads((tmp_path / "config.json").read_bytes())
    facts["config"]["include_rescaling"] = True
    (tmp_path / "config.json").write_text(json.dumps(facts))
    takes = resolve_preset(get_backbone("resnet50.cv_imagenet"), tmp_path).takes
    assert takes == ImageSpec(size=224, scaling=Scaling.RAW)


def test_keras_cv_damaged_weights_are_refused(tmp_path: Path) -> None:
    from zoo.convert.image_trunk import build_image_trunk

    save_keras_cv_preset("ResNetBackbone", tmp_path)
    (tmp_path / "model.weights.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(500))
    with pytest.raises(WeightsError, match="does not hold the expected network"):
        build_image_trunk(entry_of("ResNetBackbone", SIZE), tmp_path / "model.weights.h5")
