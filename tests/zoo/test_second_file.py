"""A second file of a backbone, the network with its top: held to graft.lock under its own name, never for the first."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.zoo.servers import FaultyServer
from tests.zoo.tiny import DATA, OTHER, PATH, backbone, sha256
from zoo import lockfile, weights
from zoo.backbone import Backbone, FileSource, RemoteFile, catalog, get
from zoo.cli import cli
from zoo.errors import HashMismatch
from zoo.progress import Silence
from zoo.pulling import keep_lock, pulled
from zoo.trust import promises
from zoo.verify import State, verify

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
    path = lockfile.begin()
    pulled(backbone(), None, Silence())
    weights.fetch(with_top())
    keep_lock(backbone())
    return path


def test_each_file_is_recorded_under_its_own_name(both: Path) -> None:
    found = json.loads(both.read_text())["weights"]["tiny.test"]
    assert {name: facts["sha256"] for name, facts in found.items()} == {
        "tiny.h5": sha256(DATA),
        "tiny_top.h5": sha256(TOP),
    }
    assert found["tiny_top.h5"]["from"] == "https://weights.example/nets/tiny_top.h5"
    assert found["tiny_top.h5"]["bytes"] == len(TOP)


def test_another_machine_must_get_the_same_of_each(
    both: Path, mirror: FaultyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAFT_CACHE", str(tmp_path / "elsewhere"))
    mirror.files[TOP_PATH] = DATA  # the right bytes of the wrong file
    assert weights.fetch(backbone()).read_bytes() == DATA
    with pytest.raises(HashMismatch, match=sha256(TOP)):
        weights.fetch(with_top())
    mirror.files |= {TOP_PATH: TOP, PATH: TOP}
    assert weights.fetch(with_top()).read_bytes() == TOP
    weights.path_of(backbone()).unlink()
    with pytest.raises(HashMismatch, match=sha256(DATA)):
        weights.fetch(backbone())


def test_the_second_is_no_part_of_what_a_trunk_is_made_of(both: Path) -> None:
    assert weights.known_hash(backbone()) == sha256(DATA)
    assert weights.path_of(backbone()) != weights.path_of(with_top())
    assert [part.path.name for part in weights.beside(backbone())] == ["tiny_top.h5"]
    assert [part.path.name for part in weights.parts(backbone())] == ["tiny.h5"]


def test_verify_hashes_the_second_too(both: Path) -> None:
    weights.path_of(with_top()).write_bytes(OTHER)
    assert {Path(one.path).name: one.state for one in verify([backbone()])} == {
        "tiny.h5": State.FINE,
        "tiny_top.h5": State.DAMAGED,
    }
    with pytest.raises(HashMismatch, match=r"tiny_top\.h5 is damaged"):
        keep_lock(backbone())


def test_a_file_of_a_preset_that_looks_like_a_record_is_none(mirror: FaultyServer) -> None:
    folder = weights.folder_of(get("bert_tiny.en_uncased"))
    folder.mkdir(parents=True)
    (folder / "config").write_bytes(b"x")
    (folder / "config.json").write_bytes(b"{}")
    assert weights.beside(get("bert_tiny.en_uncased")) == ()


def test_no_published_top_has_the_name_of_the_file_without() -> None:
    table = json.loads((Path(lockfile.__file__).parent / "catalog" / "heads.json").read_bytes())
    tops = {str(facts["url"]).rpartition("/")[2] for facts in table.values()}
    without = {file for entry in catalog() if entry.library == "keras.applications" for file in promises(entry)}
    assert len(tops) == 40
    assert tops.isdisjoint(without)


@pytest.mark.usefixtures("shared_weights")
def test_publish_puts_what_it_used_into_the_lock(team: Path) -> None:
    lock = lockfile.begin()
    ran = CliRunner().invoke(cli, ["publish", "efficientnet_lite0", "--models", str(team / "models"), "--json"])
    assert ran.exit_code == 0, ran.exception
    assert list(json.loads(lock.read_text())["weights"]) == ["efficientnet_lite0.imagenet"]
