"""The default backbone's real trunks: what they answer, and that the cache is whole or built again."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from graft.bundle.signature import image_signature
from graft.errors import MissingExtra, TrunkError
from graft.inputs.image import ImageInput
from graft.progress import SilentProgress
from graft.runtime.session import open_session
from graft.storage.atomic_file import file_sha256
from zoo.catalog.backbone import DEFAULT_IMAGE_BACKBONE, Backbone, ImageSpec, Precision
from zoo.catalog.find import get_backbone
from zoo.convert.networks.pytorch_checkpoint import read_state_dict
from zoo.convert.process import child_process
from zoo.sample_inputs import load_photos, random_photo_crops
from zoo.trunks import trunk_cache
from zoo.trunks.trunk import Trunk
from zoo.weights import weights_cache

SIZE = 224
BELL_COTE, DAISY = 442, 985  # ImageNet's classes of china.jpg and flower.jpg


@pytest.fixture
def backbone(shared_trunks: None) -> Backbone:
    return get_backbone(DEFAULT_IMAGE_BACKBONE)


def folder_of(backbone: Backbone, precision: Precision) -> Path:
    found = trunk_cache.lookup_trunk(backbone, precision)
    assert found is not None
    return found.folder


@pytest.mark.parametrize("precision", Precision)
def test_trunk_features_have_its_width(backbone: Backbone, precision: Precision) -> None:
    trunk = Trunk.from_backbone(backbone, precision)
    assert trunk.signature == image_signature(SIZE, backbone.width)
    features = trunk({"image": random_photo_crops(3, SIZE, seed=7)})
    assert features.shape == (3, backbone.width)
    assert features.dtype == np.float32
    assert np.isfinite(features).all()


@pytest.mark.parametrize("precision", Precision)
def test_trunk_features_do_not_depend_on_the_batch(backbone: Backbone, precision: Precision) -> None:
    trunk, pictures = Trunk.from_backbone(backbone, precision), random_photo_crops(4, SIZE, seed=8)
    alone = np.concatenate([trunk({"image": picture[None]}) for picture in pictures])
    np.testing.assert_allclose(trunk({"image": pictures}), alone, atol=1e-4)


@pytest.mark.parametrize("precision", Precision)
def test_trunk_with_its_classifier_recognises_two_photos(backbone: Backbone, precision: Precision) -> None:
    """With the classifier out of the same file, the two photos are what they show."""
    tensors = read_state_dict(weights_cache.fetch_weights(backbone))
    pictures = np.stack([ImageInput(SIZE)(photo) for photo in load_photos()])
    scores = (
        Trunk.from_backbone(backbone, precision)({"image": pictures}) @ tensors["_fc.weight"].T + tensors["_fc.bias"]
    )
    assert scores.argmax(axis=1).tolist() == [BELL_COTE, DAISY]


def test_trunk_record_has_parity_weights_and_checksum(backbone: Backbone) -> None:
    trunk = Trunk.from_backbone(backbone, Precision.FP32)
    assert trunk.facts["parity"]["off"] <= 1e-4 * trunk.facts["parity"]["largest"]
    assert trunk.facts["weights_sha256"] == weights_cache.expected_weights_hash(backbone)
    assert trunk.facts["input"] == ImageInput(SIZE).spec()
    assert trunk.sha256 == file_sha256(trunk.path)


def test_trunk_cache_key_depends_on_precision_and_weights(backbone: Backbone) -> None:
    keys = {trunk_cache.trunk_key(backbone, digest, p) for digest in ("a" * 64, "b" * 64) for p in Precision}
    assert len(keys) == 4


def test_trunk_from_the_cache_needs_no_network_or_weights(backbone: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAFT_OFFLINE", "1")
    assert Trunk.from_backbone(backbone, Precision.INT8).facts["precision"] == "int8"
    assert not weights_cache.weights_path(backbone).exists()


def test_trunk_cache_rebuilds_a_damaged_trunk_with_the_same_bytes(
    backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The int8 one: made in another process, of the fp32 trunk, without TensorFlow."""
    monkeypatch.setenv("GRAFT_OFFLINE", "1")
    path = folder_of(backbone, Precision.INT8) / "trunk.onnx"
    before = path.read_bytes()
    path.write_bytes(before[:-1] + b"\0")
    trunk = Trunk.from_backbone(backbone, Precision.INT8)
    assert path.read_bytes() == before
    assert trunk.sha256 == file_sha256(path)


def test_trunk_cache_detects_a_false_record(backbone: Backbone) -> None:
    folder = folder_of(backbone, Precision.FP32)
    facts = json.loads((folder / "trunk.json").read_bytes())
    (folder / "trunk.json").write_text(json.dumps(facts | {"sha256": "0" * 64}))
    found = trunk_cache.lookup_trunk(backbone, Precision.FP32)
    assert found is not None
    assert not found.is_intact()


def test_trunk_build_failure_says_why_and_caches_nothing(
    backbone: Backbone, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The fp32 trunk has the right hash in its record, but is no graph."""
    monkeypatch.setenv("GRAFT_OFFLINE", "1")
    fp32, int8 = (folder_of(backbone, precision) for precision in Precision)
    (fp32 / "trunk.onnx").write_bytes(b"no graph")
    facts = json.loads((fp32 / "trunk.json").read_bytes()) | {"sha256": file_sha256(fp32 / "trunk.onnx")}
    (fp32 / "trunk.json").write_text(json.dumps(facts))
    (int8 / "trunk.json").unlink()
    with pytest.raises(TrunkError, match="could not be built"):
        trunk_cache.ensure_trunk(backbone, Precision.INT8, SilentProgress())
    assert trunk_cache.lookup_trunk(backbone, Precision.INT8) is None
    assert not list(trunk_cache.trunks_folder().glob(".*draft-*"))


def test_trunk_build_names_missing_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(child_process._BUILD_PACKAGES, (ImageSpec, Precision.FP32), ("numpy", "no_such_package"))
    with pytest.raises(MissingExtra, match=r"needs no_such_package, .*keras-graft\[train\]"):
        child_process.require_build_packages(get_backbone(DEFAULT_IMAGE_BACKBONE), Precision.FP32)


def test_trunk_cache_that_cannot_be_written_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("GRAFT_CACHE", str(tmp_path / "file"))
    with pytest.raises(TrunkError, match="GRAFT_CACHE"):
        Trunk.from_backbone(get_backbone(DEFAULT_IMAGE_BACKBONE), Precision.FP32)


def test_session_of_an_invalid_graph_is_refused(tmp_path: Path) -> None:
    (tmp_path / "trunk.onnx").write_bytes(b"no graph")
    with pytest.raises(TrunkError, match="ONNX Runtime cannot open"):
        open_session(tmp_path / "trunk.onnx")
