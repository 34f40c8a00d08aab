"""From an image preset on a server to features: KerasHub's true files, proven against its own preprocessing."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from graft.errors import TrunkError, WeightsError
from graft.inputs.image import ImageInput
from graft.runtime.session import open_session
from tests.support.presets.keras_hub_image_presets import CONFIGS, TOWERS, entry_of, keras_hub_features, save_preset
from tests.support.presets.keras_hub_text_presets import preset_files_by_url
from tests.support.zoo.file_server import faulty_server
from zoo.catalog.backbone import ImageSpec, Pooling, Precision
from zoo.catalog.find import get_backbone
from zoo.catalog.presets import read_preset_rows
from zoo.cli.main import cli
from zoo.sample_inputs import random_photo_crops
from zoo.trunks import trunk_cache
from zoo.trunks.trunk import Trunk
from zoo.trunks.trunk_cache import fill_from_trunk
from zoo.weights import weights_cache

# TensorFlow's tensors and Keras' reading of them do not agree with NumPy 2 yet; Swin's windows carry a mask along.
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Layer 'attn':UserWarning"),
]


QUICK = ("ResNet", "SigLIP", "ViT")
BUILT = [family if family in QUICK else pytest.param(family, marks=pytest.mark.slow) for family in (*CONFIGS, *TOWERS)]


def test_keras_hub_image_families_all_have_a_tiny_network() -> None:
    pictures = [
        row["family"] for row in read_preset_rows("hub.json") if isinstance(get_backbone(row["name"]).takes, ImageSpec)
    ]
    assert {family.removesuffix("Backbone") for family in pictures} == {*CONFIGS, *TOWERS}


@pytest.mark.parametrize("family", BUILT)
def test_keras_hub_image_trunk_equals_keras_hub_preprocessing(family: str, tmp_path: Path) -> None:
    from zoo.convert.image_trunk import build_image_trunk

    entry = entry_of(family)
    assert isinstance(entry.takes, ImageSpec)
    save_preset(family, tmp_path)
    data, report = build_image_trunk(entry, tmp_path / "model.weights.h5")  # which proves batches of 1 and 7
    size = report["input"]["size"]
    assert report["input"] == ImageInput(size).spec()
    pictures = random_photo_crops(7, size, seed=3)
    expected = keras_hub_features(tmp_path, pictures, entry.takes.pooling)
    session = open_session(data)
    for batch in (1, 7):
        ours = session.run(None, {"image": pictures[:batch]})[0]
        assert np.abs(ours - expected[:batch]).max() <= 1e-4 * np.abs(expected).max()
    assert report["signature"]["outputs"][0]["shape"] == (-1, expected.shape[1])
    assert np.abs(expected[0] - expected[1]).max() > 1e-3 * np.abs(expected).max()  # it looks at the picture


@pytest.mark.slow
def test_keras_hub_image_preset_from_a_server_becomes_trunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = get_backbone("resnet_18.imagenet")
    save_preset("ResNet", tmp_path / "preset", sizes={"stackwise_num_filters": [64, 512]})
    with faulty_server() as server:
        server.files = preset_files_by_url(entry, tmp_path / "preset")
        monkeypatch.setenv("GRAFT_MIRROR", server.url)
        trunks = {precision: Trunk.from_backbone(entry, precision) for precision in Precision}
        assert [path for path, *_ in server.requests] == list(server.files)  # each file once, and no other
    monkeypatch.setenv("GRAFT_OFFLINE", "1")
    assert Trunk.from_backbone(entry, Precision.FP32).sha256 == trunks[Precision.FP32].sha256
    assert all(part.is_intact() for part in weights_cache.weights_files(entry))
    trunk = trunks[Precision.FP32]
    filled = fill_from_trunk(dataclasses.replace(entry, width=None, params=None), trunk.facts)
    assert isinstance(filled.takes, ImageSpec)
    assert (filled.takes.size, filled.width) == (64, 512)
    assert filled.params == trunk.facts["params"] > 0
    assert "uint8 [n,64,64,3]" in CliRunner().invoke(cli, ["show", entry.name]).stdout
    assert "uint8 [n,64,64,3] -> float32 [n,512]" in CliRunner().invoke(cli, ["pull", entry.name]).stdout
    assert isinstance(trunk.inputs, ImageInput)
    assert trunk.inputs.size == trunks[Precision.INT8].inputs.size == 64  # type: ignore[attr-defined]
    pictures = random_photo_crops(3, 64, seed=3)
    expected = keras_hub_features(tmp_path / "preset", pictures, Pooling.MEAN)
    assert np.abs(trunk({"image": pictures}) - expected).max() <= 1e-4 * np.abs(expected).max()
    assert trunks[Precision.INT8].facts["cosine"] > 0.9


@pytest.mark.slow
def test_keras_hub_image_weights_of_another_width_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = get_backbone("resnet_18.imagenet")
    save_preset("ResNet", tmp_path / "preset")
    with faulty_server() as server:
        server.files = preset_files_by_url(entry, tmp_path / "preset")
        monkeypatch.setenv("GRAFT_MIRROR", server.url)
        with pytest.raises(WeightsError, match="features of width 64; the catalog says 512"):
            Trunk.from_backbone(entry, Precision.FP32)
    assert trunk_cache.lookup_trunk(entry, Precision.FP32) is None
    assert not list(trunk_cache.trunks_folder().glob(".*draft-*"))


def test_keras_hub_image_size_unlike_its_converter_is_refused(tmp_path: Path) -> None:
    from zoo.convert.image_trunk import build_image_trunk

    save_preset("ViT", tmp_path, image_size=(32, 32))
    with pytest.raises(TrunkError, match=r"64 x 64.*makes 32 x 32"):
        build_image_trunk(entry_of("ViT"), tmp_path / "model.weights.h5")


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("config.json", b"[]"),
        ("config.json", b"{"),
        ("config.json", json.dumps({"registered_name": "keras_hub>ResNetBackbone"}).encode()),
        ("model.weights.h5", b"\x89HDF\r\n\x1a\n" + bytes(500)),
    ],
)
def test_keras_hub_image_damaged_preset_is_refused(path: str, content: bytes, tmp_path: Path) -> None:
    from zoo.convert.image_trunk import build_image_trunk

    save_preset("ResNet", tmp_path)
    (tmp_path / path).write_bytes(content)
    with pytest.raises(WeightsError, match=r"does not hold the expected network .*Pull it again"):
        build_image_trunk(entry_of("ResNet"), tmp_path / "model.weights.h5")


@pytest.mark.filterwarnings("ignore:Skipping nested container")  # and then an error
def test_keras_hub_image_weights_with_a_missing_kernel_are_refused(tmp_path: Path) -> None:
    from zoo.convert.image_trunk import build_image_trunk

    save_preset("ResNet", tmp_path)
    with h5py.File(tmp_path / "model.weights.h5", "r+") as file:
        paths: list[str] = []
        file.visititems(lambda path, item: paths.append(path) if item.__class__ is h5py.Dataset else None)
        del file[paths[0]]
    with pytest.raises(WeightsError, match="does not hold the expected network"):
        build_image_trunk(entry_of("ResNet"), tmp_path / "model.weights.h5")


def test_keras_hub_image_facts_come_only_from_the_preset() -> None:
    from zoo.convert.networks import build_trunk_network, network_input_size

    facts: dict[str, Any] = trunk_cache.input_facts(get_backbone("resnet_50.imagenet"))
    assert facts == {"kind": "image", "preset": "its own"}
    with pytest.raises(TrunkError, match=r"is in its preset\. Run: zoo pull resnet_50\.imagenet"):
        network_input_size(get_backbone("resnet_50.imagenet"))
    sized = dataclasses.replace(
        get_backbone("resnet_50.imagenet"), takes=ImageSpec(size=64, scaling=get_backbone("vgg16").takes.scaling)
    )  # type: ignore[union-attr]
    with pytest.raises(TrunkError, match="come from its preset"):
        build_trunk_network(sized, None)
