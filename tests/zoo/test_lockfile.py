"""graft.lock: what one machine fetched, every other one must get."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.zoo.servers import FaultyServer
from tests.zoo.tiny import DATA, OTHER, PATH, backbone, sha256
from zoo import lockfile, weights
from zoo.errors import HashMismatch, Offline, WeightsError
from zoo.progress import Silence
from zoo.pulling import pulled
from zoo.trunk_cache import ensure
from zoo.trust import Trust, trust


@pytest.fixture
def another_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Let the rest of a test have an empty cache."""
    return lambda: monkeypatch.setenv("GRAFT_CACHE", str(tmp_path / "elsewhere"))


@pytest.fixture
def locked(mirror: FaultyServer, team: Path) -> Path:
    """The lock file of a team that has pulled the tiny weights."""
    path = lockfile.begin()
    pulled(backbone(), None, Silence())
    return path


def test_what_was_fetched_is_recorded_for_people_and_programs(locked: Path, team: Path) -> None:
    url = "https://weights.example/nets/tiny.h5"
    entry = {"bytes": len(DATA), "from": url, "sha256": sha256(DATA)}
    assert locked == team / "graft.lock"
    assert json.loads(locked.read_text()) == {"graft_lock": 1, "weights": {"tiny.test": {"tiny.h5": entry}}}
    assert [path.name for path in team.iterdir()] == ["graft.lock"]  # and nothing beside it


def test_the_order_of_pulls_changes_no_byte(locked: Path) -> None:
    facts = {"x": lockfile.Locked(sha256(b"x"), 1, "there")}
    for name in "ba":
        lockfile.record(locked, name, facts)
    one = locked.read_bytes()
    locked.unlink()
    lockfile.begin()
    for name in "ab":
        lockfile.record(locked, name, facts)
    pulled(backbone(), None, Silence())
    assert locked.read_bytes() == one


def test_another_machine_must_get_the_same(
    locked: Path, mirror: FaultyServer, another_machine: Callable[[], None]
) -> None:
    another_machine()
    mirror.files[PATH] = OTHER
    with pytest.raises(HashMismatch) as told:
        weights.fetch(backbone())
    for word in ("tiny.h5", sha256(OTHER), sha256(DATA), str(locked), "zoo pull tiny.test --relock"):
        assert word in str(told.value)
    assert not weights.path_of(backbone()).exists()
    mirror.files[PATH] = DATA
    assert weights.fetch(backbone()).read_bytes() == DATA


def test_a_trunk_is_held_to_the_lock_as_well(
    locked: Path, mirror: FaultyServer, another_machine: Callable[[], None]
) -> None:
    another_machine()
    mirror.files[PATH] = OTHER
    with pytest.raises(HashMismatch, match=sha256(OTHER)):
        ensure(backbone(), backbone().precision, Silence())


def test_one_bit_is_enough(locked: Path, mirror: FaultyServer, another_machine: Callable[[], None]) -> None:
    another_machine()
    mirror.files[PATH] = DATA[:5000] + bytes([DATA[5000] ^ 4]) + DATA[5001:]
    with pytest.raises(HashMismatch):
        weights.fetch(backbone())


def test_a_folder_below_the_lock_is_held_to_it(
    locked: Path, mirror: FaultyServer, another_machine: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    (locked.parent / "src" / "deep").mkdir(parents=True)
    monkeypatch.chdir(locked.parent / "src" / "deep")
    another_machine()
    mirror.files[PATH] = OTHER
    with pytest.raises(HashMismatch):
        weights.fetch(backbone())


def test_graft_lock_names_a_file_for_everywhere(
    locked: Path, tmp_path: Path, mirror: FaultyServer, monkeypatch: pytest.MonkeyPatch, another_machine: Callable
) -> None:
    monkeypatch.setenv("GRAFT_LOCK", str(locked.rename(tmp_path / "ours.json")))
    monkeypatch.chdir(tmp_path)
    another_machine()
    mirror.files[PATH] = OTHER
    with pytest.raises(HashMismatch, match=r"ours\.json"):
        weights.fetch(backbone())


def test_a_lock_that_is_named_but_not_there_is_no_lock_at_all(
    mirror: FaultyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAFT_LOCK", str(tmp_path / "typo.lock"))
    with pytest.raises(WeightsError, match=r"typo\.lock, where no file is.*--lock"):
        weights.fetch(backbone())


def test_what_is_cached_and_not_the_locked_one_is_fetched_again(locked: Path, mirror: FaultyServer) -> None:
    _lock_other(locked)
    mirror.files[PATH] = OTHER
    assert weights.fetch(backbone()).read_bytes() == OTHER


def test_offline_it_is_refused(locked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _lock_other(locked)
    monkeypatch.setenv("GRAFT_OFFLINE", "1")
    with pytest.raises(Offline, match=r"not those of graft\.lock"):
        weights.fetch(backbone())


def test_the_catalog_and_the_lock_must_agree(locked: Path) -> None:
    pinned = backbone(sha256(OTHER))
    for use in (weights.fetch, lambda entry: weights.ensure_hash(entry, Silence())):
        with pytest.raises(HashMismatch) as told:
            use(pinned)
        for word in ("tiny.h5", sha256(OTHER), sha256(DATA), str(locked), "--relock"):
            assert word in str(told.value)


def test_two_pulls_of_other_bytes_do_not_share_a_lock(locked: Path) -> None:
    with pytest.raises(HashMismatch, match="--relock"):
        lockfile.record(locked, "tiny.test", {"tiny.h5": lockfile.Locked(sha256(OTHER), 1, "there")})


def test_on_purpose_it_can_be_changed(locked: Path, mirror: FaultyServer, another_machine: Callable[[], None]) -> None:
    another_machine()
    mirror.files[PATH] = OTHER
    with lockfile.reopened(locked, "tiny.test"):
        pulled(backbone(), None, Silence())
    assert json.loads(locked.read_text())["weights"]["tiny.test"]["tiny.h5"]["sha256"] == sha256(OTHER)


def test_a_change_that_fails_changes_nothing(locked: Path) -> None:
    before = locked.read_bytes()
    with pytest.raises(KeyboardInterrupt), lockfile.reopened(locked, "tiny.test"):
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
def test_a_broken_lock_holds_up_everything(text: str, mirror: FaultyServer, team: Path) -> None:
    (team / "graft.lock").write_text(text)
    with pytest.raises(WeightsError, match=r"graft\.lock is no lock file.*version control"):
        weights.fetch(backbone())


def test_a_newer_lock_is_not_guessed_at(mirror: FaultyServer, team: Path) -> None:
    (team / "graft.lock").write_text('{"graft_lock": 2, "hashes": []}')
    with pytest.raises(WeightsError, match="Update Graft"):
        weights.fetch(backbone())


def test_processes_that_write_together_lose_nothing(team: Path) -> None:
    path = lockfile.begin()
    script = (
        "import sys; from pathlib import Path; from zoo import lockfile\n"
        "for n in range(10): lockfile.record(Path(sys.argv[1]), f'{sys.argv[2]}{n}', "
        "{'f': lockfile.Locked('0' * 64, 1, 'there')})"
    )
    writers = [subprocess.Popen([sys.executable, "-c", script, str(path), who], env=os.environ) for who in "ab"]
    assert [writer.wait() for writer in writers] == [0, 0]
    found = lockfile.read()
    assert found is not None
    assert len(found.weights) == 20


def test_trust_is_what_the_weakest_file_has(locked: Path) -> None:
    assert trust(backbone(), lockfile.read()) is Trust.LOCKED
    assert trust(backbone(sha256(DATA)), lockfile.read()) is Trust.PINNED
    locked.unlink()
    assert trust(backbone(), lockfile.read()) is Trust.UNPINNED


def _lock_other(path: Path) -> None:
    path.write_text(path.read_text().replace(sha256(DATA), sha256(OTHER)))
