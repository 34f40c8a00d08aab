"""Folders of a running process: each has a lock beside it, FOLDER.lock, which the system frees when the process ends.

So whoever comes later can tell those of the living from those that a kill left behind.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import filelock


@contextlib.contextmanager
def draft_folder(target: Path) -> Iterator[Path]:
    """Yield a new, hidden folder beside `target`, to write in what is to become it; the folder is gone at the end.

    What a killed process left there on its way to the same target is removed; what a running one makes is not.

    Raises:
        OSError: it cannot be made.
    """
    base, prefix = target.absolute().parent, f".{target.name}.draft-"
    base.mkdir(parents=True, exist_ok=True)
    remove_stale_folders(base, prefix)
    folder, lock = create_locked_folder(base, prefix)
    try:
        yield folder
    finally:
        remove_locked_folder(folder, lock)


def create_locked_folder(base: Path, prefix: str) -> tuple[Path, filelock.FileLock]:
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


def remove_locked_folder(folder: Path, lock: filelock.FileLock) -> None:
    """Remove a folder of ours, if it is still there, and its lock."""
    shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):
        Path(lock.lock_file).unlink(missing_ok=True)
    lock.release()


def remove_stale_folders(base: Path, prefix: str) -> None:
    """Remove the folders in `base` with that prefix whose processes are gone. A folder without a lock is not ours."""
    lock_pattern = re.compile(re.escape(prefix) + r"[0-9a-f]{32}\.lock")
    for path in [path for path in base.iterdir() if lock_pattern.fullmatch(path.name)]:
        lock = filelock.FileLock(path)
        with contextlib.suppress(OSError):  # filelock.Timeout is one: somebody holds it
            lock.acquire(timeout=0)
            remove_locked_folder(path.with_suffix(""), lock)
