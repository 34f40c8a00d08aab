"""What lies in the cache, and what of it may be deleted: never what somebody has locked or has just used."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from finetune.features.feature_cache import FeatureCache, feature_cache_path
from graft.progress import SilentProgress
from graft.storage.atomic_folder import atomic_folder
from graft.storage.cache_root import cache_root
from graft.storage.locks import exclusive_lock
from graft.storage.scratch import ScratchFolder
from tests.support.zoo.tiny_weights import DATA
from zoo.catalog.backbone import DEFAULT_IMAGE_BACKBONE, Precision
from zoo.catalog.find import get_backbone
from zoo.cli.main import cli
from zoo.manage import cache_eviction
from zoo.trunks import trunk_cache
from zoo.weights import weights_cache

DAY = 24 * 3600


def zoo(*words: str) -> Result:
    return CliRunner().invoke(cli, words)


def put(path: str, size: int, days: float) -> Path:
    """A file of the cache, and its folder, used so many days ago."""
    file = cache_root() / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(bytes(size))
    old(file, days)
    return file


def old(path: Path, days: float) -> None:
    """Let a file and its folder look as if they had been used so many days ago."""
    for one in (path, path.parent):
        os.utime(one, (time.time() - days * DAY,) * 2)


def names(found: list[cache_eviction.CacheEntry]) -> list[str]:
    return [item.path.relative_to(cache_root()).as_posix() for item in found]


def test_cache_report_of_an_empty_cache() -> None:
    assert "nothing is cached" in zoo("cache").stdout
    assert json.loads(zoo("cache", "--json").stdout) == []


def test_cache_report_lists_every_entry_with_its_size(shared_trunks: None) -> None:
    put("weights/vgg16.imagenet/w.h5", 1000, 1)
    put("weights/bert_tiny.en_uncased/assets/tokenizer/vocabulary.txt", 70, 1)
    put("runs/0123/state", 500, 1)
    put("data/reuters-r8/train.tab", 300, 1)
    put("peers/one/big", 9000, 1)
    found = trunk_cache.lookup_trunk(get_backbone(DEFAULT_IMAGE_BACKBONE), Precision.INT8)
    assert found is not None
    with FeatureCache(feature_cache_path({}, found.facts["sha256"]), 4, SilentProgress()):
        pass
    report = {(item["kind"], item["name"]): item["bytes"] for item in json.loads(zoo("cache", "--json").stdout)}
    assert report["weights", "vgg16.imagenet"] == 1000
    assert report["weights", "bert_tiny.en_uncased"] == 70
    assert report["runs", "0123"] == 500
    assert report["data", "reuters-r8"] == 300
    assert report["other", "peers"] == 9000
    assert report["trunks", f"{DEFAULT_IMAGE_BACKBONE} in int8"] == sum(
        file.stat().st_size for file in found.folder.iterdir()
    )
    assert ("features", f"{DEFAULT_IMAGE_BACKBONE} in int8") in report
    assert "9,0" not in zoo("cache").stdout.splitlines()[1]
    assert zoo("cache").stdout.splitlines()[-1].split() == ["in", str(cache_root())]


def test_cache_eviction_deletes_nothing_without_yes() -> None:
    file = put("weights/gone_model.imagenet/w.h5", 10, 1)
    for words in (["--prune"], ["--max-size", "0"], ["--prune", "--json"]):
        assert zoo("cache", *words).exit_code == 0
        assert file.exists()
    assert zoo("cache", "--yes").exit_code == 2
    assert "gone_model.imagenet" in zoo("cache", "--prune").stdout
    assert "--yes does it" in zoo("cache", "--prune").stderr


def test_cache_eviction_prune_deletes_what_nothing_refers_to(shared_trunks: None) -> None:
    put("weights/gone_model.imagenet/w.h5", 10, 1)
    kept = put("weights/vgg16.imagenet/w.h5", 10, 1)
    put("features/0-1.sqlite.damaged-5", 10, 1)
    put("trunks/.draft-0123/trunk.onnx", 10, 0)
    found = trunk_cache.lookup_trunk(get_backbone(DEFAULT_IMAGE_BACKBONE), Precision.INT8)
    assert found is not None
    of_another_version = found.folder.rename(found.folder.with_name("f" * 64))
    old(of_another_version / "trunk.json", 1)
    old(of_another_version / "trunk.onnx", 1)
    assert zoo("cache", "--prune", "--yes").exit_code == 0
    left = names(cache_eviction.list_cache_entries())
    assert kept.exists()
    assert [name for name in left if not name.startswith("trunks")] == ["weights/vgg16.imagenet"]
    assert [item.name for item in cache_eviction.list_cache_entries() if item.kind == "trunks"] == [
        f"{DEFAULT_IMAGE_BACKBONE} in fp32"
    ]


def test_cache_eviction_deletes_the_least_recently_used_first() -> None:
    put("weights/vgg16.imagenet/w.h5", 400, 3)
    put("runs/a/state", 400, 5)
    put("data/b/c", 400, 1)
    put("peers/one/big", 9000, 9)
    assert names(cache_eviction.select_evictions(cache_eviction.list_cache_entries(), 1200)) == []
    assert names(cache_eviction.select_evictions(cache_eviction.list_cache_entries(), 1199)) == ["runs/a"]
    assert names(cache_eviction.select_evictions(cache_eviction.list_cache_entries(), 500)) == [
        "runs/a",
        "weights/vgg16.imagenet",
    ]
    assert names(cache_eviction.select_evictions(cache_eviction.list_cache_entries(), 0)) == [
        "runs/a",
        "weights/vgg16.imagenet",
        "data/b",
    ]


def test_cache_eviction_keeps_recently_used_entries() -> None:
    put("weights/vgg16.imagenet/w.h5", 400, 0)
    put("weights/gone_model.imagenet/w.h5", 400, 0)
    assert cache_eviction.select_evictions(cache_eviction.list_cache_entries(), 0) == []
    assert len(cache_eviction.select_evictions(cache_eviction.list_cache_entries(), 0, now=time.time() + DAY)) == 2


def test_cache_use_updates_the_last_used_time(shared_trunks: None, shared_weights: None) -> None:
    entry = get_backbone(DEFAULT_IMAGE_BACKBONE)
    found = trunk_cache.lookup_trunk(entry, Precision.FP32)
    assert found is not None
    for path in (*found.folder.iterdir(), *(part.path for part in weights_cache.weights_files(entry))):
        old(path, 9)
    assert all(time.time() - item.used > DAY for item in cache_eviction.list_cache_entries() if item.kind == "weights")
    trunk_cache.ensure_trunk(entry, Precision.FP32, SilentProgress())
    weights_cache.fetch_weights(entry)
    used = {item.path: item.used for item in cache_eviction.list_cache_entries()}
    assert time.time() - used[found.folder] < DAY
    assert time.time() - used[weights_cache.weights_folder(entry)] < DAY


@pytest.mark.parametrize("kind", ["weights", "trunks", "runs", "data"])
def test_cache_eviction_keeps_locked_entries(kind: str) -> None:
    name = "vgg16.imagenet" if kind == "weights" else "name"
    file = put(f"{kind}/{name}/content", 10, 9)
    script = "import sys; from pathlib import Path; from graft.storage.locks import exclusive_lock\n"
    script += "with exclusive_lock(Path(sys.argv[1])): print('mine', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", script, str(file.parent)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ) as holder:
        assert holder.stdout
        holder.stdout.readline()
        old(file, 9)
        ran = zoo("cache", "--max-size", "0", "--prune", "--yes")
        assert file.exists()
        assert kind == "trunks" or "a running process has locked it" in ran.stderr
        assert holder.stdin
        holder.stdin.close()
    assert zoo("cache", "--max-size", "0", "--prune", "--yes").exit_code == 0
    assert not file.exists()


def test_cache_eviction_keeps_locked_drafts() -> None:
    draft = put("trunks/.draft-0123/trunk.onnx", 10, 9)
    with exclusive_lock(draft.parent.with_name("0123")):
        assert cache_eviction.select_evictions(cache_eviction.list_cache_entries()) == []
    assert names(cache_eviction.select_evictions(cache_eviction.list_cache_entries())) == ["trunks/.draft-0123"]


def test_cache_eviction_keeps_the_draft_of_a_trunk_being_built() -> None:
    with atomic_folder(trunk_cache.trunks_folder() / "0123") as draft:
        (draft / "trunk.onnx").write_bytes(b"half")
        (item,) = cache_eviction.list_cache_entries()
        assert cache_eviction.select_evictions([item]) == []
        assert not cache_eviction.delete_entry(item)
        assert draft.is_dir()


def test_cache_eviction_keeps_features_being_written() -> None:
    path = cache_root() / "features" / "0-1.sqlite"
    with FeatureCache(path, 4, SilentProgress()):
        pass
    writer = sqlite3.connect(path)
    writer.execute("BEGIN IMMEDIATE")
    old(path, 9)
    assert "locked" in zoo("cache", "--max-size", "0", "--yes").stderr
    assert path.exists()
    writer.close()
    old(path, 9)
    assert zoo("cache", "--max-size", "0", "--yes").exit_code == 0
    assert not path.exists()


def test_cache_eviction_keeps_scratch_of_living_processes() -> None:
    scratch = ScratchFolder()
    (scratch.path / "file").write_bytes(DATA)
    assert cache_eviction.select_evictions(cache_eviction.list_cache_entries(), 0) == []
    left = put("scratch/graft-left/file", 10, 0)
    assert zoo("cache", "--prune", "--yes").exit_code == 0
    assert scratch.path.is_dir()
    assert not left.parent.exists()
    scratch.remove()


def test_cache_eviction_never_follows_symlinks(tmp_path: Path) -> None:
    outside = tmp_path / "precious"
    outside.mkdir()
    (outside / "file").write_bytes(bytes(10))
    old(outside / "file", 9)
    (cache_root() / "weights").mkdir(parents=True)
    (cache_root() / "weights" / "gone_model.imagenet").symlink_to(outside)
    folder = put("weights/other_gone.imagenet/w.h5", 10, 9).parent
    (folder / "link").symlink_to(outside)
    os.utime(folder, (0, 0))
    os.utime(folder / "link", (0, 0), follow_symlinks=False)
    assert "gone_model" not in zoo("cache").stdout
    assert zoo("cache", "--prune", "--yes").exit_code == 0
    assert not folder.exists()
    assert (outside / "file").exists()


def test_cache_max_size_is_parsed() -> None:
    assert zoo("cache", "--max-size", "1.5GB").exit_code == 0
    ran = zoo("cache", "--max-size", "much")
    assert ran.exit_code == 2
    assert "500MB or 2.5GB" in ran.stderr
