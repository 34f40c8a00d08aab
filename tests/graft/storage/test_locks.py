"""File locks beside the entries of the cache."""

from __future__ import annotations

import threading
from pathlib import Path

from graft.storage.locks import exclusive_lock, is_unlocked, try_lock


def test_lock_is_held_by_one_thread(tmp_path: Path) -> None:
    inside, counts = [], []

    def work() -> None:
        with exclusive_lock(tmp_path / "thing"):
            inside.append(1)
            counts.append(len(inside))
            inside.pop()

    threads = [threading.Thread(target=work) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(counts) == {1}


def test_try_lock_does_not_wait(tmp_path: Path) -> None:
    path = tmp_path / "entry"
    assert is_unlocked(path)
    with try_lock(path) as first, try_lock(tmp_path / ".draft-entry") as second:  # a draft has the lock of its entry
        assert (first, second) == (True, False)
        assert not is_unlocked(path)
    assert is_unlocked(path)
