"""Whether a running process has locked a thing in the cache. Nobody is waited for."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import filelock

_TEMPORARY_PREFIXES: Final = (".draft-", ".gone-")  # what is in front of the name of the thing itself


def is_unlocked(path: Path) -> bool:
    """Say whether no process has locked the thing at `path`."""
    with try_lock(path) as is_ours:
        return is_ours


@contextmanager
def try_lock(path: Path) -> Iterator[bool]:
    """Hold the lock of the thing at `path`; yields False at once where another process has it."""
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
    """Hold SQLite's own lock of a database; yields False where another process writes."""
    database = sqlite3.connect(path, timeout=0)
    try:
        try:
            database.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            yield False
            return
        except sqlite3.DatabaseError:
            pass  # no database at all: nobody can be using it
        yield True
    finally:
        database.close()


@contextlib.contextmanager
def exclusive_lock(path: Path) -> Iterator[None]:
    """Hold the lock beside `path`, so that one process at a time makes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(path.with_name(path.name + ".lock")):
        yield
