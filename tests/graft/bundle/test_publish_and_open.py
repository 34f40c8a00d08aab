"""Bundles: published whole or not at all, believed only where the manifest's hashes confirm."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from graft.bundle.open_bundle import open_bundle
from graft.bundle.publish import publish
from graft.bundle.repository import model_names, model_versions
from graft.errors import BundleBroken, BundleUnsupported, PublishFailed, ReplayFailed, TrunkError
from graft.storage.atomic_file import file_sha256
from tests.support.fakes import tiny_bundle, tiny_trunk_bytes


def republish(models: Path, source: Path, **extras: bytes) -> None:
    bundle = open_bundle(source)
    publish(
        models,
        bundle.manifest,
        trunk=bundle.layout.trunk,
        head=bundle.layout.head.read_bytes(),
        golden=bundle.read_golden(),
        extras=extras,
    )


def snapshot(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): file_sha256(path) for path in sorted(folder.rglob("*")) if path.is_file()}


def test_bundle_round_trip(tmp_path: Path) -> None:
    published = tiny_bundle(tmp_path / "models")
    opened = open_bundle(published.layout.root)
    assert opened.manifest == published.manifest
    assert opened.manifest.version == 1
    assert set(opened.manifest.files) == {"trunk.onnx", "head.onnx", "golden.npz"}
    golden = opened.read_golden()
    assert len(golden.samples) == len(golden.arrays_sha256) == len(golden.features) == len(golden.scores) == 3
    assert golden.scores.dtype == np.float32


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        ({"kind": "image", "size": 8}, "image"),
        ({"kind": "text", "texts": 1}, "text"),
        ({"kind": "text", "texts": 2}, "pair"),
    ],
)
def test_manifest_names_its_sample_kind(tmp_path: Path, spec: dict, kind: str) -> None:
    manifest = dataclasses.replace(tiny_bundle(tmp_path / "models").manifest, input=spec)
    assert manifest.sample_kind == kind
    assert "sample_kind" not in json.loads(manifest.to_json())  # it is derived, never written


def test_publish_counts_versions_and_stores_one_trunk_once(tmp_path: Path) -> None:
    models = tmp_path / "models"
    for _ in range(3):
        tiny_bundle(models)
    tiny_bundle(models, "other")
    assert model_versions(models, "tiny") == [1, 2, 3]
    assert model_names(models) == ["other", "tiny"]
    (stored,) = (models / ".trunks").iterdir()
    assert stored.stat().st_nlink == 5
    assert (models / "tiny/2/trunk.onnx").samefile(stored)


@pytest.mark.parametrize("file", ["trunk.onnx", "head.onnx", "golden.npz"])
@pytest.mark.parametrize("harm", ["flip", "cut", "remove", "grow"])
def test_bundle_checksum_detects_any_changed_file(tmp_path: Path, file: str, harm: str) -> None:
    root = tiny_bundle(tmp_path / "models").layout.root
    path = root / file
    data = bytearray(path.read_bytes())
    path.unlink()
    data[len(data) // 2] ^= 1
    changed = {"flip": bytes(data), "cut": bytes(data[:-1]), "grow": bytes(data) + b"x"}
    if harm != "remove":
        path.write_bytes(changed[harm])
    with pytest.raises(BundleBroken, match=file):
        open_bundle(root)


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"protocol": 2}, BundleUnsupported, "Update Graft"),
        ({"protocol": None}, BundleBroken, "not a manifest"),
        ({"files": {}}, BundleBroken, "has no matching SHA-256"),
        ({"files": {"../trunk.onnx": {"sha256": "", "bytes": 1}}}, BundleBroken, "not a plain file name"),
        ({"labels": None}, BundleBroken, "missing or invalid field"),
        ({"surplus": 1}, BundleBroken, "missing or invalid field"),
        ({"trunk_sha256": "0" * 64}, BundleBroken, "has no matching SHA-256"),
    ],
)
def test_bundle_with_a_false_manifest_is_refused(tmp_path: Path, change: dict, error: type, says: str) -> None:
    layout = tiny_bundle(tmp_path / "models").layout
    layout.manifest.write_text(json.dumps(json.loads(layout.manifest.read_text()) | change))
    with pytest.raises(error, match=says):
        open_bundle(layout.root)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"protocol": 1, "protocol": 1}', "[" * 100_000, "null"])
def test_bundle_without_a_valid_manifest_is_refused(tmp_path: Path, text: str) -> None:
    layout = tiny_bundle(tmp_path / "models").layout
    layout.manifest.write_text(text)
    with pytest.raises(BundleBroken, match="not a manifest"):
        open_bundle(layout.root)


def test_golden_samples_with_pickled_objects_are_refused(tmp_path: Path) -> None:
    layout = tiny_bundle(tmp_path / "models").layout
    with layout.golden.open("wb") as file:
        np.savez(file, sizes=np.array([{}], object), bytes=np.zeros(1), arrays_sha256=np.zeros(1), features=0, scores=0)
    manifest = json.loads(layout.manifest.read_text())
    manifest["files"]["golden.npz"] = {"sha256": file_sha256(layout.golden), "bytes": layout.golden.stat().st_size}
    layout.manifest.write_text(json.dumps(manifest))
    with pytest.raises(BundleBroken, match="no golden samples"):
        open_bundle(layout.root).read_golden()


def test_publish_replays_the_golden_samples_first(tmp_path: Path) -> None:
    bundle = tiny_bundle(tmp_path / "models")
    golden = bundle.read_golden()
    for other, stage in (
        (dataclasses.replace(golden, scores=golden.scores[:, ::-1].copy()), "head"),
        (dataclasses.replace(golden, features=golden.features + 1, scores=golden.scores + 1), "trunk"),
    ):
        with pytest.raises(ReplayFailed, match=f"stage that differs is the {stage}"):
            publish(
                tmp_path / "new",
                bundle.manifest,
                trunk=bundle.layout.trunk,
                head=bundle.layout.head.read_bytes(),
                golden=other,
                extras={},
            )
        assert not (tmp_path / "new").exists()


def test_publish_refuses_a_trunk_that_changed(tmp_path: Path) -> None:
    models = tmp_path / "models"
    root = tiny_bundle(models).layout.root
    bundle, before = open_bundle(root), snapshot(models)
    other = tmp_path / "other.onnx"
    other.write_bytes(tiny_trunk_bytes(1))
    with pytest.raises(TrunkError, match=r"other\.onnx changed while it was used"):
        publish(
            models,
            bundle.manifest,
            trunk=other,
            head=bundle.layout.head.read_bytes(),
            golden=bundle.read_golden(),
            extras={},
        )
    assert snapshot(models) == before


@pytest.mark.parametrize("call", ["fsync", "rename", "link", "mkdir"])
def test_publish_is_atomic_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    models = tmp_path / "models"
    root = tiny_bundle(models).layout.root
    before = snapshot(models)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, full)
        if call == "link":  # copies instead
            republish(models, root)
            assert model_versions(models, "tiny") == [1, 2]
            return
        with pytest.raises(PublishFailed, match=r"No space left.*earlier versions are untouched"):
            republish(models, root, **{"report.html": b"x" * 100})
    assert snapshot(models) == before
    assert not list((models / "tiny").glob(".draft-*"))
    assert open_bundle(root)


def test_publish_concurrently_gives_distinct_versions(tmp_path: Path) -> None:
    models = tmp_path / "models"
    root = tiny_bundle(models).layout.root
    threads = [threading.Thread(target=republish, args=(models, root)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert model_versions(models, "tiny") == list(range(1, 10))
    assert {open_bundle(models / "tiny" / str(v)).manifest.version for v in range(1, 10)} == set(range(1, 10))


def test_publish_skips_the_number_of_a_half_copied_version(tmp_path: Path) -> None:
    models = tmp_path / "models"
    tiny_bundle(models)
    (models / "tiny" / "2").mkdir()
    (models / "tiny" / "2" / "head.onnx").write_bytes(b"half")
    assert tiny_bundle(models).manifest.version == 3


def test_publish_sweeps_drafts_of_killed_processes(tmp_path: Path) -> None:
    models = tmp_path / "models"
    code = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom graft.bundle import publish\n"
        "from tests.support.fakes import tiny_bundle\n"
        "publish.rename_draft = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\ntiny_bundle(Path(sys.argv[1]))\n"
    )
    ran = subprocess.run([sys.executable, "-c", code, str(models)], check=False)
    assert ran.returncode == -signal.SIGKILL
    (killed,) = (path for path in (models / "tiny").glob(".draft-*") if path.is_dir())
    assert (killed / "manifest.json").is_file()
    assert model_versions(models, "tiny") == []
    assert tiny_bundle(models).manifest.version == 1
    assert [path.name for path in (models / "tiny").iterdir()] == ["1"]


def test_publish_sweeps_old_drafts_without_a_lock(tmp_path: Path) -> None:
    models = tmp_path / "models"
    old, young = models / "tiny" / ".draft-old", models / "tiny" / ".draft-young"
    for draft in (old, young):
        draft.mkdir(parents=True)
    os.utime(old, (0, 0))
    tiny_bundle(models)
    assert not old.exists()
    assert young.exists()


def test_publish_sweeps_unused_trunks_and_keeps_used_ones(tmp_path: Path) -> None:
    models = tmp_path / "models"
    root = tiny_bundle(models).layout.root
    (used,) = (models / ".trunks").iterdir()
    old, young = models / ".trunks" / "feed.onnx", models / ".trunks" / "beef.onnx"
    for unused in (old, young):
        unused.write_bytes(b"trunk")
    for path in (old, used):
        os.utime(path, (0, 0))
    tiny_bundle(models)
    assert set((models / ".trunks").iterdir()) == {used, young}
    assert open_bundle(root)


def test_publish_to_an_unwritable_folder_names_it(tmp_path: Path) -> None:
    root = tiny_bundle(tmp_path / "models").layout.root
    blocked = tmp_path / "a file"
    blocked.write_text("")
    with pytest.raises(PublishFailed, match="a file"):
        republish(blocked / "models", root)
