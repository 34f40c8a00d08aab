"""The default backbone's real trunks: what they answer, and that the cache is whole or built again."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from zoo import trunk_cache, weights
from zoo.backbone import DEFAULT, Backbone, Pixels, Precision, get
from zoo.build import child
from zoo.build.pytorch import read_state_dict
from zoo.errors import MissingExtra, TrunkError
from zoo.files import sha256_of
from zoo.image import ImageInput
from zoo.pictures import crops, photos
from zoo.progress import Silence
from zoo.signature import image_signature
from zoo.trunk import Trunk, open_session

SIZE = 224
BELL_COTE, DAISY = 442, 985  # ImageNet's classes of china.jpg and flower.jpg


@pytest.fixture
def backbone(shared_trunks: None) -> Backbone:
    return get(DEFAULT)


def folder_of(backbone: Backbone, precision: Precision) -> Path:
    found = trunk_cache.lookup(backbone, precision)
    assert found is not None
    return found.folder


@pytest.mark.parametrize("precision", Precision)
def test_an_image_trunk_makes_features_of_its_width(backbone: Backbone, precision: Precision) -> None:
    trunk = Trunk.of(backbone, precision)
    assert trunk.signature == image_signature(SIZE, backbone.width)
    features = trunk({"image": crops(3, SIZE, seed=7)})
    assert features.shape == (3, backbone.width)
    assert features.dtype == np.float32
    assert np.isfinite(features).all()


@pytest.mark.parametrize("precision", Precision)
def test_neighbours_in_a_batch_change_nothing(backbone: Backbone, precision: Precision) -> None:
    trunk, pictures = Trunk.of(backbone, precision), crops(4, SIZE, seed=8)
    alone = np.concatenate([trunk({"image": picture[None]}) for picture in pictures])
    np.testing.assert_allclose(trunk({"image": pictures}), alone, atol=1e-4)


@pytest.mark.parametrize("precision", Precision)
def test_the_weights_are_the_real_ones(backbone: Backbone, precision: Precision) -> None:
    """With the classifier out of the same file, the two photos are what they show."""
    tensors = read_state_dict(weights.fetch(backbone))
    pictures = np.stack([ImageInput(SIZE)(photo) for photo in photos()])
    scores = Trunk.of(backbone, precision)({"image": pictures}) @ tensors["_fc.weight"].T + tensors["_fc.bias"]
    assert scores.argmax(axis=1).tolist() == [BELL_COTE, DAISY]


def test_what_is_recorded(backbone: Backbone) -> None:
    trunk = Trunk.of(backbone, Precision.FP32)
    assert trunk.facts["parity"]["off"] <= 1e-4 * trunk.facts["parity"]["largest"]
    assert trunk.facts["weights_sha256"] == weights.known_hash(backbone)
    assert trunk.facts["input"] == ImageInput(SIZE).spec()
    assert trunk.sha256 == sha256_of(trunk.path)


def test_the_two_precisions_have_keys_of_their_own(backbone: Backbone) -> None:
    keys = {trunk_cache.key(backbone, digest, p) for digest in ("a" * 64, "b" * 64) for p in Precision}
    assert len(keys) == 4


def test_opening_a_cached_trunk_needs_no_network_and_no_weights(
    backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAFT_OFFLINE", "1")
    assert Trunk.of(backbone, Precision.INT8).facts["precision"] == "int8"
    assert not weights.path_of(backbone).exists()


def test_a_damaged_trunk_is_built_again_with_the_same_bytes(
    backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The int8 one: made in another process, of the fp32 trunk, without TensorFlow."""
    monkeypatch.setenv("GRAFT_OFFLINE", "1")
    path = folder_of(backbone, Precision.INT8) / "trunk.onnx"
    before = path.read_bytes()
    path.write_bytes(before[:-1] + b"\0")
    trunk = Trunk.of(backbone, Precision.INT8)
    assert path.read_bytes() == before
    assert trunk.sha256 == sha256_of(path)


def test_a_record_that_lies_is_not_believed(backbone: Backbone) -> None:
    folder = folder_of(backbone, Precision.FP32)
    facts = json.loads((folder / "trunk.json").read_bytes())
    (folder / "trunk.json").write_text(json.dumps(facts | {"sha256": "0" * 64}))
    found = trunk_cache.lookup(backbone, Precision.FP32)
    assert found is not None
    assert not found.is_whole()


def test_a_failed_build_says_why_and_caches_nothing(
    backbone: Backbone, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The fp32 trunk has the right hash in its record, but is no graph."""
    monkeypatch.setenv("GRAFT_OFFLINE", "1")
    fp32, int8 = (folder_of(backbone, precision) for precision in Precision)
    (fp32 / "trunk.onnx").write_bytes(b"no graph")
    facts = json.loads((fp32 / "trunk.json").read_bytes()) | {"sha256": sha256_of(fp32 / "trunk.onnx")}
    (fp32 / "trunk.json").write_text(json.dumps(facts))
    (int8 / "trunk.json").unlink()
    with pytest.raises(TrunkError, match="could not be built"):
        trunk_cache.ensure(backbone, Precision.INT8, Silence())
    assert trunk_cache.lookup(backbone, Precision.INT8) is None
    assert not list(trunk_cache.trunks().glob(".draft-*"))


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(child._NEEDED, (Pixels, Precision.FP32), ("numpy", "no_such_package"))
    with pytest.raises(MissingExtra, match=r"needs no_such_package, .*keras-graft\[train\]"):
        child.check_installed(get(DEFAULT), Precision.FP32)


def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("GRAFT_CACHE", str(tmp_path / "file"))
    with pytest.raises(TrunkError, match="GRAFT_CACHE"):
        Trunk.of(get(DEFAULT), Precision.FP32)


def test_no_graph_no_session(tmp_path: Path) -> None:
    (tmp_path / "trunk.onnx").write_bytes(b"no graph")
    with pytest.raises(TrunkError, match="ONNX Runtime refuses"):
        open_session(tmp_path / "trunk.onnx")
