"""From a weights file on a server to a trunk: by Keras, in a process of its own, proven against it."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from graft.errors import TrunkError
from graft.progress import SilentProgress
from tests.support.paths import REPOSITORY
from tests.support.zoo.file_server import faulty_server
from zoo.catalog.backbone import DEFAULT_IMAGE_BACKBONE, Backbone, FileSource, Precision, RemoteFile
from zoo.catalog.find import get_backbone
from zoo.sample_inputs import random_photo_crops
from zoo.trunks import trunk_cache
from zoo.trunks.trunk import Trunk
from zoo.weights import weights_cache

# Of each way to write a file of weights, one network that is quickly built; all are tried in test_contract.py.
APPLICATIONS = [
    "convnext_tiny.imagenet",  # a custom layer, models in the model, grouped convolutions
    "densenet121.imagenet",
    "efficientnet_b0.imagenet",  # normalisation from the file, by another layer than Keras itself puts there
    "mobilenet_v2.imagenet",
    "mobilenet_v3_small.imagenet",
    "nasnet_mobile.imagenet",
    "resnet50.imagenet",
    "vgg16.imagenet",
]
AT_THE_DOOR = ("mobilenet_v2.imagenet", "mobilenet_v3_small.imagenet", "resnet50.imagenet", "vgg16.imagenet")


def unpinned(name: str) -> Backbone:
    """The entry, for weights of our own making: Keras' MD5 is of the real ones."""
    backbone = get_backbone(name)
    return dataclasses.replace(
        backbone, source=FileSource(files=(dataclasses.replace(file_of(backbone), md5=None, sha256=None),))
    )


def file_of(backbone: Backbone) -> RemoteFile:
    assert isinstance(backbone.source, FileSource)
    return backbone.source.files[0]


def trunk_of_random_weights(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Trunk:
    backbone = unpinned(name)
    weights_file = folder / "made.h5"
    script = REPOSITORY / "tests/support/presets/make_legacy_weights.py"
    subprocess.run([sys.executable, str(script), name, str(weights_file)], check=True, capture_output=True)
    with faulty_server() as server:
        server.files["/" + file_of(backbone).url.removeprefix("https://")] = weights_file.read_bytes()
        monkeypatch.setenv("GRAFT_MIRROR", server.url)
        trunk = Trunk.from_backbone(backbone, Precision.FP32)
    assert weights_cache.weights_path(backbone).read_bytes() == weights_file.read_bytes()
    return trunk


@pytest.mark.slow
@pytest.mark.parametrize("name", APPLICATIONS)
def test_image_trunks_are_built_from_published_weights(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trunk = trunk_of_random_weights(name, tmp_path, monkeypatch)
    features = trunk({"image": random_photo_crops(2, 224, seed=3)})
    assert features.shape == (2, get_backbone(name).width)
    assert np.ptp(features) > 0
    assert np.abs(features[0] - features[1]).max() > 0
    kinds = [node.op_type for node in onnx.load(trunk.path).graph.node]
    if name in AT_THE_DOOR:
        assert kinds.count("Transpose") == 1  # NHWC -> NCHW
    assert "BatchNormalization" not in kinds


@pytest.mark.slow
def test_image_trunk_int8_without_proof_can_be_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trunk_of_random_weights("mobilenet_v3_small.imagenet", tmp_path, monkeypatch)
    trunk = Trunk.from_backbone(unpinned("mobilenet_v3_small.imagenet"), Precision.INT8)
    assert trunk({"image": random_photo_crops(1, 224, seed=3)}).shape == (1, 576)


@pytest.mark.slow
def test_image_trunk_build_is_deterministic_across_processes(shared_cache: Path) -> None:
    digests = set()
    for precision in Precision:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("GRAFT_CACHE", str(shared_cache))
            shared = trunk_cache.lookup_trunk(get_backbone(DEFAULT_IMAGE_BACKBONE), precision)
        assert shared is not None
        ours = trunk_cache.ensure_trunk(get_backbone(DEFAULT_IMAGE_BACKBONE), precision, SilentProgress())
        assert ours.path.read_bytes() == shared.path.read_bytes()
        digests.add(ours.facts["sha256"])
    assert len(digests) == 2


@pytest.mark.slow
def test_image_trunk_is_built_once_by_racing_processes(shared_trunks: None) -> None:
    cached = trunk_cache.lookup_trunk(get_backbone(DEFAULT_IMAGE_BACKBONE), Precision.INT8)
    assert cached is not None
    shutil.rmtree(cached.folder)
    command = [sys.executable, "-c", "from zoo.cli.main import main; main()", "pull", DEFAULT_IMAGE_BACKBONE]
    racers = [subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in "ab"]
    outputs = [racer.communicate() for racer in racers]
    assert [racer.returncode for racer in racers] == [0, 0]
    assert sum("building" in errors for _, errors in outputs) == 1
    assert len({out for out, _ in outputs}) == 1


@pytest.mark.slow
def test_invalid_weights_file_fails_the_build_and_caches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = unpinned("mobilenet_v3_small.imagenet")
    with faulty_server() as server:
        server.files["/" + file_of(backbone).url.removeprefix("https://")] = b"\x89HDF\r\n\x1a\n" + bytes(5000)
        monkeypatch.setenv("GRAFT_MIRROR", server.url)
        with pytest.raises(TrunkError, match=r"(?s)mobilenet_v3_small\.imagenet in fp32 could not be built.*file"):
            Trunk.from_backbone(backbone, Precision.FP32)
    assert trunk_cache.lookup_trunk(backbone, Precision.FP32) is None
    assert not list(trunk_cache.trunks_folder().glob(".*draft-*"))
