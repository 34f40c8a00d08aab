"""Folders of a running process: each has a lock beside it, FOLDER.lock, which the system frees when the process ends.

So whoever comes later can tell those of the living from those that a kill left behind.

A folder that is whole or not there: written under a hidden name, on the disk before it has its own.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from graft.errors import PublishFailed
from graft.storage.atomic_file import fsync_folder


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


def require_absent(folder: Path) -> None:
    """Pass if nothing is called `folder` yet.

    Raises:
        PublishFailed: something is; it is left as it is.
    """
    if folder.exists() or folder.is_symlink():
        raise PublishFailed(f"{folder} is there already; nothing was changed. Choose another -o, or move it away.")


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty hidden sibling of `folder`, which gets its name only if all goes well.

    What a killed process left there on its way to the same name is removed; what a running one makes is not.

    Raises:
        PublishFailed: it cannot be written, or something has that name already.
    """
    require_absent(folder)
    try:
        with draft_folder(folder) as draft:
            draft.chmod(0o755)
            yield draft
            _fsync_tree(draft)
            require_absent(folder)
            draft.rename(folder)
        fsync_folder(folder.absolute().parent)
    except OSError as fault:
        raise PublishFailed(
            f"{folder} could not be written ({fault.strerror}); nothing is left of it. "
            "Free some space, or choose another -o."
        ) from None


def _fsync_tree(draft: Path) -> None:
    for path in sorted(draft.rglob("*"), reverse=True):
        if path.is_dir():
            fsync_folder(path)
        else:
            with path.open("rb") as file:
                os.fsync(file.fileno())
    fsync_folder(draft)
