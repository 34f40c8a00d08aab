"""File locks beside entries of the cache: one process at a time creates an entry, and none deletes it meanwhile."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import filelock

_TEMPORARY_PREFIXES: Final = (
    ".draft-",
    ".gone-",
)  # of drafts and of doomed folders, before the name of the entry that has the lock


def is_unlocked(path: Path) -> bool:
    """Return whether no process has locked the entry at `path`. Does not wait."""
    with try_lock(path) as is_ours:
        return is_ours


@contextmanager
def try_lock(path: Path) -> Iterator[bool]:
    """Hold the lock of the entry at `path`; yield False at once if another process holds it."""
    name = path.name
    for prefix in _TEMPORARY_PREFIXES:
        name = name.removeprefix(prefix)
    lock = filelock.FileLock(path.with_name(f"{name}.lock"))
    try:
        lock.acquire(timeout=0)
    except OSError:  # filelock.Timeout is one
        yield False
        return
    try:
        with _try_lock_database(path) if path.suffix == ".sqlite" else contextlib.nullcontext(True) as is_ours:
            yield is_ours
    finally:
        lock.release()


@contextmanager
def _try_lock_database(path: Path) -> Iterator[bool]:
    """Hold SQLite's own lock of a database; yield False at once if another process is writing."""
    database = sqlite3.connect(path, timeout=0)
    try:
        try:
            database.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            yield False
            return
        except sqlite3.DatabaseError:
            pass  # not a database, so nobody can be using it
        yield True
    finally:
        database.close()


@contextlib.contextmanager
def exclusive_lock(path: Path) -> Iterator[None]:
    """Wait for the lock of the entry at `path`, PATH.lock, and hold it: one process at a time creates the entry."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(path.with_name(path.name + ".lock")):
        yield
