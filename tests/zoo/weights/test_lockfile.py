"""graft.lock: what one machine fetched, every other one must get."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from graft.errors import HashMismatch, Offline, WeightsError
from graft.progress import SilentProgress
from tests.support.zoo.file_server import FaultyServer
from tests.support.zoo.tiny_weights import DATA, OTHER, PATH, backbone, sha256
from zoo.manage.pull_many import pull_one
from zoo.trunks.trunk_cache import ensure_trunk
from zoo.weights import lockfile, weights_cache
from zoo.weights.checksums import HashPolicy, hash_policy


@pytest.fixture
def another_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Let the rest of a test have an empty cache."""
    return lambda: monkeypatch.setenv("GRAFT_CACHE", str(tmp_path / "elsewhere"))


@pytest.fixture
def locked(mirror: FaultyServer, team: Path) -> Path:
    """The lock file of a team that has pulled the tiny weights."""
    path = lockfile.create_lockfile()
    pull_one(backbone(), None, SilentProgress())
    return path


def test_lockfile_records_file_url_size_and_checksum(locked: Path, team: Path) -> None:
    url = "https://weights.example/nets/tiny.h5"
    entry = {"bytes": len(DATA), "from": url, "sha256": sha256(DATA)}
    assert locked == team / "graft.lock"
    assert json.loads(locked.read_text()) == {"graft_lock": 1, "weights": {"tiny.test": {"tiny.h5": entry}}}
    assert [path.name for path in team.iterdir()] == ["graft.lock"]  # and nothing beside it


def test_lockfile_bytes_do_not_depend_on_pull_order(locked: Path) -> None:
    facts = {"x": lockfile.LockEntry(sha256(b"x"), 1, "there")}
    for name in "ba":
        lockfile.add_entries(locked, name, facts)
    one = locked.read_bytes()
    locked.unlink()
    lockfile.create_lockfile()
    for name in "ab":
        lockfile.add_entries(locked, name, facts)
    pull_one(backbone(), None, SilentProgress())
    assert locked.read_bytes() == one


def test_lockfile_refuses_other_bytes_on_another_machine(
    locked: Path, mirror: FaultyServer, another_machine: Callable[[], None]
) -> None:
    another_machine()
    mirror.files[PATH] = OTHER
    with pytest.raises(HashMismatch) as raised:
        weights_cache.fetch_weights(backbone())
    for word in ("tiny.h5", sha256(OTHER), sha256(DATA), str(locked), "zoo pull tiny.test --relock"):
        assert word in str(raised.value)
    assert not weights_cache.weights_path(backbone()).exists()
    mirror.files[PATH] = DATA
    assert weights_cache.fetch_weights(backbone()).read_bytes() == DATA


def test_lockfile_holds_for_building_a_trunk(
    locked: Path, mirror: FaultyServer, another_machine: Callable[[], None]
) -> None:
    another_machine()
    mirror.files[PATH] = OTHER
    with pytest.raises(HashMismatch, match=sha256(OTHER)):
        ensure_trunk(backbone(), backbone().precision, SilentProgress())


def test_lockfile_detects_a_single_bit_flip(
    locked: Path, mirror: FaultyServer, another_machine: Callable[[], None]
) -> None:
    another_machine()
    mirror.files[PATH] = DATA[:5000] + bytes([DATA[5000] ^ 4]) + DATA[5001:]
    with pytest.raises(HashMismatch):
        weights_cache.fetch_weights(backbone())


def test_lockfile_holds_in_folders_below(
    locked: Path, mirror: FaultyServer, another_machine: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    (locked.parent / "src" / "deep").mkdir(parents=True)
    monkeypatch.chdir(locked.parent / "src" / "deep")
    another_machine()
    mirror.files[PATH] = OTHER
    with pytest.raises(HashMismatch):
        weights_cache.fetch_weights(backbone())


def test_lockfile_path_from_graft_lock(
    locked: Path, tmp_path: Path, mirror: FaultyServer, monkeypatch: pytest.MonkeyPatch, another_machine: Callable
) -> None:
    monkeypatch.setenv("GRAFT_LOCK", str(locked.rename(tmp_path / "ours.json")))
    monkeypatch.chdir(tmp_path)
    another_machine()
    mirror.files[PATH] = OTHER
    with pytest.raises(HashMismatch, match=r"ours\.json"):
        weights_cache.fetch_weights(backbone())


def test_lockfile_named_but_missing_is_an_error(
    mirror: FaultyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAFT_LOCK", str(tmp_path / "typo.lock"))
    with pytest.raises(WeightsError, match=r"typo\.lock, which does not exist.*--lock"):
        weights_cache.fetch_weights(backbone())


def test_lockfile_mismatch_in_the_cache_is_fetched_again(locked: Path, mirror: FaultyServer) -> None:
    _lock_other(locked)
    mirror.files[PATH] = OTHER
    assert weights_cache.fetch_weights(backbone()).read_bytes() == OTHER


def test_lockfile_mismatch_offline_is_refused(locked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _lock_other(locked)
    monkeypatch.setenv("GRAFT_OFFLINE", "1")
    with pytest.raises(Offline, match=r"differ from graft\.lock"):
        weights_cache.fetch_weights(backbone())


def test_lockfile_that_contradicts_the_catalog_is_refused(locked: Path) -> None:
    pinned = backbone(sha256(OTHER))
    for use in (weights_cache.fetch_weights, lambda entry: weights_cache.ensure_weights_hash(entry, SilentProgress())):
        with pytest.raises(HashMismatch) as raised:
            use(pinned)
        for word in ("tiny.h5", sha256(OTHER), sha256(DATA), str(locked), "--relock"):
            assert word in str(raised.value)


def test_lockfile_is_never_overwritten_with_other_checksums(locked: Path) -> None:
    with pytest.raises(HashMismatch, match="--relock"):
        lockfile.add_entries(locked, "tiny.test", {"tiny.h5": lockfile.LockEntry(sha256(OTHER), 1, "there")})


def test_lockfile_relock_changes_the_checksum(
    locked: Path, mirror: FaultyServer, another_machine: Callable[[], None]
) -> None:
    another_machine()
    mirror.files[PATH] = OTHER
    with lockfile.unlock_entry(locked, "tiny.test"):
        pull_one(backbone(), None, SilentProgress())
    assert json.loads(locked.read_text())["weights"]["tiny.test"]["tiny.h5"]["sha256"] == sha256(OTHER)


def test_lockfile_relock_that_fails_changes_nothing(locked: Path) -> None:
    before = locked.read_bytes()
    with pytest.raises(KeyboardInterrupt), lockfile.unlock_entry(locked, "tiny.test"):
        raise KeyboardInterrupt
    assert locked.read_bytes() == before


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<<<<<<< HEAD\n{}",
        "[]",
        '{"graft_lock": 1}',
        '{"graft_lock": 1, "weights": {}, "weights": {}}',
        '{"graft_lock": 1, "weights": {"a": {"f": {"bytes": 1, "from": "x", "sha256": "0123"}}}}',
        "[" * 100_000,
    ],
    ids=["empty", "conflict", "list", "no weights", "twice", "no hash", "deep"],
)
def test_lockfile_that_is_broken_stops_everything(text: str, mirror: FaultyServer, team: Path) -> None:
    (team / "graft.lock").write_text(text)
    with pytest.raises(WeightsError, match=r"graft\.lock is not a lock file.*version control"):
        weights_cache.fetch_weights(backbone())


def test_lockfile_of_a_newer_format_is_refused(mirror: FaultyServer, team: Path) -> None:
    (team / "graft.lock").write_text('{"graft_lock": 2, "hashes": []}')
    with pytest.raises(WeightsError, match="Update Graft"):
        weights_cache.fetch_weights(backbone())


def test_lockfile_survives_concurrent_writers(team: Path) -> None:
    path = lockfile.create_lockfile()
    script = (
        "import sys; from pathlib import Path; from zoo.weights import lockfile\n"
        "for n in range(10): lockfile.add_entries(Path(sys.argv[1]), f'{sys.argv[2]}{n}', "
        "{'f': lockfile.LockEntry('0' * 64, 1, 'there')})"
    )
    writers = [subprocess.Popen([sys.executable, "-c", script, str(path), who], env=os.environ) for who in "ab"]
    assert [writer.wait() for writer in writers] == [0, 0]
    found = lockfile.read_lockfile()
    assert found is not None
    assert len(found.weights) == 20


def test_hash_policy_is_that_of_the_weakest_file(locked: Path) -> None:
    assert hash_policy(backbone(), lockfile.read_lockfile()) is HashPolicy.LOCKED
    assert hash_policy(backbone(sha256(DATA)), lockfile.read_lockfile()) is HashPolicy.PINNED
    locked.unlink()
    assert hash_policy(backbone(), lockfile.read_lockfile()) is HashPolicy.UNPINNED


def _lock_other(path: Path) -> None:
    path.write_text(path.read_text().replace(sha256(DATA), sha256(OTHER)))
