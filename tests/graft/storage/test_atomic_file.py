"""Files are whole or not there."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from graft.errors import WeightsError
from graft.storage.atomic_file import open_atomic, write_atomic
from graft.storage.cache_root import cache_root
from graft.storage.locks import exclusive_lock
from zoo.weights import lockfile


def test_atomic_write_keeps_the_old_file_on_failure(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "file"
    write_atomic(path, b"old")
    with pytest.raises(KeyboardInterrupt), open_atomic(path) as file:
        file.write(b"half of the new")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old"
    assert [p.name for p in path.parent.iterdir()] == ["file"]


def test_lock_is_held_by_one_thread(tmp_path: Path) -> None:
    inside, most = [], []

    def work() -> None:
        with exclusive_lock(tmp_path / "thing"):
            inside.append(1)
            most.append(len(inside))
            inside.pop()

    threads = [threading.Thread(target=work) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(most) == {1}


def test_cache_root_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAFT_CACHE", "/some/where")
    assert cache_root() == Path("/some/where")
    monkeypatch.delenv("GRAFT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert cache_root() == Path("/caches/graft")


@pytest.mark.parametrize("setting", ["GRAFT_CACHE", "GRAFT_LOCK"])
def test_unknown_home_folder_in_a_setting_is_reported(setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(setting, "~no-such-user-here/x")
    with pytest.raises(WeightsError, match=rf"home folder that does not exist\. Set {setting} to another folder"):
        (lockfile.find_lockfile if setting == "GRAFT_LOCK" else cache_root)()
