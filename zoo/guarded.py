"""Folders of a running process: each has a lock beside it, FOLDER.lock, which the system frees when the process ends.

So whoever comes later can tell those of the living from those that a kill left behind.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import uuid
from pathlib import Path

import filelock


def make(base: Path, prefix: str) -> tuple[Path, filelock.FileLock]:
    """Return a new, empty folder in `base`, for its owner only, and the lock that guards it.

    Raises:
        OSError: it cannot be made.
    """
    folder = base / f"{prefix}{uuid.uuid4().hex}"
    lock = filelock.FileLock(f"{folder}.lock")
    Path(lock.lock_file).touch()  # what cannot be made is told here with its reason
    lock.acquire(timeout=0)
    folder.mkdir(mode=0o700)
    return folder, lock


def remove(folder: Path, lock: filelock.FileLock) -> None:
    """Remove a folder of ours, if it is still there, and its lock."""
    shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):
        Path(lock.lock_file).unlink(missing_ok=True)
    lock.release()


def sweep(base: Path, prefix: str) -> None:
    """Remove the folders in `base` with that prefix whose processes are gone. A folder without a lock is not ours."""
    ours = re.compile(re.escape(prefix) + r"[0-9a-f]{32}\.lock")
    for path in [path for path in base.iterdir() if ours.fullmatch(path.name)]:
        lock = filelock.FileLock(path)
        with contextlib.suppress(OSError):  # filelock.Timeout is one: somebody holds it
            lock.acquire(timeout=0)
            remove(path.with_suffix(""), lock)
