"""What is served, and what is not: published, tampered, copied by halves, removed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from graft.bundle.open_bundle import BundleLayout
from graft.errors import NotReady, UnknownModel, UnknownVersion
from graft.storage.atomic_file import file_sha256
from service.models.engine import OnnxEngine
from service.models.registry import ModelRegistry
from tests.support.fakes import tiny_bundle, tiny_head_bytes


def opened(folder: Path, keep: int = 2) -> ModelRegistry:
    models = ModelRegistry(folder, OnnxEngine(), keep)
    models.refresh()
    return models


def vouch_for(layout: BundleLayout, **changes: object) -> None:
    """Make the manifest say what the files are, and whatever else."""
    facts = json.loads(layout.manifest.read_text()) | changes
    for name in facts["files"]:
        path = layout.root / name
        facts["files"][name] = {"sha256": file_sha256(path), "bytes": path.stat().st_size}
    layout.manifest.write_text(json.dumps(facts))


def cut_head(layout: BundleLayout) -> None:
    layout.head.write_bytes(layout.head.read_bytes()[:-1])


def flip_a_bit_of_the_head(layout: BundleLayout) -> None:
    data = bytearray(layout.head.read_bytes())
    data[len(data) // 2] ^= 1
    layout.head.write_bytes(data)


def garble_manifest(layout: BundleLayout) -> None:
    layout.manifest.write_bytes(b"{")


def answer_otherwise(layout: BundleLayout) -> None:
    layout.head.write_bytes(tiny_head_bytes(3, seed=7))
    vouch_for(layout)


def want_another_decoder(layout: BundleLayout) -> None:
    vouch_for(layout, input={"kind": "image", "size": 8, "decoder": "opencv"})


def be_no_onnx(layout: BundleLayout) -> None:
    layout.head.write_bytes(b"pickle")
    vouch_for(layout)


def have_too_few_labels(layout: BundleLayout) -> None:
    vouch_for(layout, labels=["one"])


def be_another_task(layout: BundleLayout) -> None:
    vouch_for(layout, task="detect")


def be_odd_inside(layout: BundleLayout) -> None:
    vouch_for(layout, input={"kind": "image", "size": {}})


FAULTS = [
    cut_head,
    flip_a_bit_of_the_head,
    garble_manifest,
    answer_otherwise,
    want_another_decoder,
    be_no_onnx,
    have_too_few_labels,
    be_another_task,
    be_odd_inside,
]


@pytest.mark.parametrize("fault", FAULTS)
def test_bad_version_is_refused_and_the_old_one_stays(models: Path, fault: Callable[[BundleLayout], None]) -> None:
    fault(tiny_bundle(models, seed=1).layout)
    served = opened(models)
    assert served.get("tiny").version == 1
    refusal = served.get_entries("tiny")[2].refusal
    assert refusal
    assert str(models) not in refusal


@pytest.mark.parametrize("fault", FAULTS)
def test_served_version_stays_when_its_files_are_tampered_with(
    models: Path, fault: Callable[[BundleLayout], None]
) -> None:
    served = opened(models)
    before = served.get("tiny")
    fault(BundleLayout(models / "tiny" / "1"))
    served.refresh()
    assert served.get("tiny") is before
    assert served.get_entries("tiny")[1].refusal


def test_newest_version_is_found_and_served(models: Path) -> None:
    served = opened(models)
    held = served.get("tiny")
    for _ in range(3):
        tiny_bundle(models, seed=1)
    served.refresh()
    assert held.version == 1
    assert served.get("tiny").version == 4
    assert served.get("tiny", "3").version == 3
    with pytest.raises(UnknownVersion, match="Served are 3, 4"):
        served.get("tiny", "2")
    assert served.count_loaded() == 2


@pytest.mark.parametrize("version", ["0", "9", "01", "+1", "1.0", "-1", "latest", "", "../1", "1\0", "١", "9" * 5000])
def test_odd_version_names_are_unknown(models: Path, version: str) -> None:
    with pytest.raises(UnknownVersion):
        opened(models).get("tiny", version)


@pytest.mark.parametrize("name", ["", ".", "..", "../models/tiny", "tiny/1", "/", ".trunks", "TINY", "tiny\0", "tïny"])
def test_odd_model_names_are_unknown(models: Path, name: str) -> None:
    with pytest.raises(UnknownModel, match="There are: tiny"):
        opened(models).get(name)


def test_refused_version_is_retried_only_after_its_files_change(models: Path, caplog: pytest.LogCaptureFixture) -> None:
    layout = tiny_bundle(models, seed=1).layout
    whole = layout.head.read_bytes()
    cut_head(layout)
    served = opened(models)
    for _ in range(5):
        served.refresh()
    assert sum("refused" in record.getMessage() for record in caplog.records) == 1
    layout.head.write_bytes(whole)
    served.refresh()
    assert served.get("tiny").version == 2


def test_version_being_copied_is_served_once_complete(models: Path) -> None:
    source = tiny_bundle(models.parent / "elsewhere", seed=1).layout
    served = opened(models)
    target = models / "tiny" / "2"
    target.mkdir()
    for file in sorted(source.root.iterdir()):  # the manifest comes before the trunk
        shutil.copy(file, target)
        served.refresh()
        assert served.get("tiny").version == (2 if file.name == "trunk.onnx" else 1)


def test_loaded_version_is_not_loaded_again(models: Path) -> None:
    served = opened(models)
    before = served.get("tiny")
    served.refresh()
    assert served.get("tiny") is before


def test_removed_version_uncovers_the_previous_one(models: Path) -> None:
    tiny_bundle(models)
    tiny_bundle(models, "other")
    served = opened(models)
    shutil.rmtree(models / "tiny" / "2")
    shutil.rmtree(models / "other")
    served.refresh()
    assert served.get("tiny").version == 1
    assert served.names() == ["tiny"]


def test_vanished_repository_keeps_loaded_models(models: Path) -> None:
    served = opened(models)
    models.rename(models.with_name("unmounted"))
    with pytest.raises(OSError, match="still served"):
        served.refresh()
    assert served.get("tiny").version == 1


def test_model_without_a_good_version_is_not_ready_and_says_why(models: Path) -> None:
    cut_head(BundleLayout(models / "tiny" / "1"))
    served = opened(models)
    assert served.names() == []
    with pytest.raises(NotReady, match=r"version 1: .*does not match the manifest"):
        served.get("tiny")


def test_registry_before_the_first_scan_is_not_ready(models: Path) -> None:
    with pytest.raises(NotReady, match="still being loaded"):
        ModelRegistry(models, OnnxEngine(), 1).get("tiny")
