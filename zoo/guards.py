"""Whether a running process has locked a thing in the cache. Nobody is waited for."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import filelock

_HALF_MADE: Final = (".draft-", ".gone-")  # what is in front of the name of the thing itself


def free(path: Path) -> bool:
    """Say whether no process has locked the thing at `path`."""
    with held(path) as ours:
        return ours


@contextmanager
def held(path: Path) -> Iterator[bool]:
    """Hold the lock of the thing at `path`; yields False at once where another process has it."""
    name = path.name
    for half_made in _HALF_MADE:
        name = name.removeprefix(half_made)
    lock = filelock.FileLock(path.with_name(f"{name}.lock"))
    try:
        lock.acquire(timeout=0)
    except OSError:  # filelock.Timeout is one
        yield False
        return
    try:
        with _database(path) if path.suffix == ".sqlite" else contextlib.nullcontext(True) as ours:
            yield ours
    finally:
        lock.release()


@contextmanager
def _database(path: Path) -> Iterator[bool]:
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
