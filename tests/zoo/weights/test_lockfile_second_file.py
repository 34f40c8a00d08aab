"""A second file of a backbone, the network with its top: held to graft.lock under its own name, never for the first."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from graft.errors import HashMismatch
from graft.progress import SilentProgress
from tests.support.paths import REPOSITORY
from tests.support.zoo.file_server import FaultyServer
from tests.support.zoo.tiny_weights import DATA, OTHER, PATH, backbone, sha256
from zoo.catalog.backbone import Backbone, FileSource, RemoteFile
from zoo.catalog.find import all_backbones, get_backbone
from zoo.cli.main import cli
from zoo.manage.pull_many import pull_one
from zoo.manage.verify_cached import FileState, verify_cached
from zoo.weights import lockfile, weights_cache
from zoo.weights.checksums import catalog_hashes
from zoo.weights.weights_cache import record_in_lockfile

TOP = DATA + b"and a top"
TOP_PATH = "/weights.example/nets/tiny_top.h5"


def with_top() -> Backbone:
    """The tiny entry as it is fetched for its classifier."""
    file = RemoteFile(url="https://weights.example/nets/tiny_top.h5", path="tiny_top.h5")
    return dataclasses.replace(backbone(), source=FileSource(files=(file,)))


@pytest.fixture
def both(mirror: FaultyServer, team: Path) -> Path:
    """The lock file of a team that has both files."""
    mirror.files[TOP_PATH] = TOP
    path = lockfile.create_lockfile()
    pull_one(backbone(), None, SilentProgress())
    weights_cache.fetch_weights(with_top())
    record_in_lockfile(backbone())
    return path


def test_lockfile_records_each_file_under_its_own_name(both: Path) -> None:
    found = json.loads(both.read_text())["weights"]["tiny.test"]
    assert {name: facts["sha256"] for name, facts in found.items()} == {
        "tiny.h5": sha256(DATA),
        "tiny_top.h5": sha256(TOP),
    }
    assert found["tiny_top.h5"]["from"] == "https://weights.example/nets/tiny_top.h5"
    assert found["tiny_top.h5"]["bytes"] == len(TOP)


def test_lockfile_holds_for_the_classifier_file_too(
    both: Path, mirror: FaultyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAFT_CACHE", str(tmp_path / "elsewhere"))
    mirror.files[TOP_PATH] = DATA  # the right bytes of the wrong file
    assert weights_cache.fetch_weights(backbone()).read_bytes() == DATA
    with pytest.raises(HashMismatch, match=sha256(TOP)):
        weights_cache.fetch_weights(with_top())
    mirror.files |= {TOP_PATH: TOP, PATH: TOP}
    assert weights_cache.fetch_weights(with_top()).read_bytes() == TOP
    weights_cache.weights_path(backbone()).unlink()
    with pytest.raises(HashMismatch, match=sha256(DATA)):
        weights_cache.fetch_weights(backbone())


def test_classifier_file_is_not_part_of_the_trunk(both: Path) -> None:
    assert weights_cache.expected_weights_hash(backbone()) == sha256(DATA)
    assert weights_cache.weights_path(backbone()) != weights_cache.weights_path(with_top())
    assert [part.path.name for part in weights_cache.extra_weights_files(backbone())] == ["tiny_top.h5"]
    assert [part.path.name for part in weights_cache.weights_files(backbone())] == ["tiny.h5"]


def test_verify_checks_the_classifier_file_too(both: Path) -> None:
    weights_cache.weights_path(with_top()).write_bytes(OTHER)
    assert {Path(one.path).name: one.state for one in verify_cached([backbone()])} == {
        "tiny.h5": FileState.FINE,
        "tiny_top.h5": FileState.DAMAGED,
    }
    with pytest.raises(HashMismatch, match=r"tiny_top\.h5 is damaged"):
        record_in_lockfile(backbone())


def test_preset_file_named_like_a_record_is_not_one(mirror: FaultyServer) -> None:
    folder = weights_cache.weights_folder(get_backbone("bert_tiny.en_uncased"))
    folder.mkdir(parents=True)
    (folder / "config").write_bytes(b"x")
    (folder / "config.json").write_bytes(b"{}")
    assert weights_cache.extra_weights_files(get_backbone("bert_tiny.en_uncased")) == ()


def test_classifier_file_names_differ_from_headless_ones() -> None:
    table = json.loads((REPOSITORY / "zoo/catalog/heads.json").read_bytes())
    tops = {str(facts["url"]).rpartition("/")[2] for facts in table.values()}
    without = {
        file for entry in all_backbones() if entry.library == "keras.applications" for file in catalog_hashes(entry)
    }
    assert len(tops) == 40
    assert tops.isdisjoint(without)


@pytest.mark.usefixtures("shared_weights")
def test_publish_pretrained_adds_to_the_lockfile(team: Path) -> None:
    lock = lockfile.create_lockfile()
    ran = CliRunner().invoke(cli, ["publish", "efficientnet_lite0", "--models", str(team / "models"), "--json"])
    assert ran.exit_code == 0, ran.exception
    assert list(json.loads(lock.read_text())["weights"]) == ["efficientnet_lite0.imagenet"]
