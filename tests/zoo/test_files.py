"""Files are whole or not there."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from zoo import lockfile
from zoo.errors import WeightsError
from zoo.files import cache_root, locked, write_whole, written_whole


def test_a_failure_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "file"
    write_whole(path, b"old")
    with pytest.raises(KeyboardInterrupt), written_whole(path) as file:
        file.write(b"half of the new")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old"
    assert [p.name for p in path.parent.iterdir()] == ["file"]


def test_one_holds_the_lock(tmp_path: Path) -> None:
    inside, most = [], []

    def work() -> None:
        with locked(tmp_path / "thing"):
            inside.append(1)
            most.append(len(inside))
            inside.pop()

    threads = [threading.Thread(target=work) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(most) == {1}


def test_the_cache_is_where_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAFT_CACHE", "/some/where")
    assert cache_root() == Path("/some/where")
    monkeypatch.delenv("GRAFT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert cache_root() == Path("/caches/graft")


@pytest.mark.parametrize("setting", ["GRAFT_CACHE", "GRAFT_LOCK"])
def test_a_home_folder_that_there_is_not_is_told(setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(setting, "~no-such-user-here/x")
    with pytest.raises(WeightsError, match=rf"home folder that is not here\. {setting} names another place"):
        (lockfile.place if setting == "GRAFT_LOCK" else cache_root)()
