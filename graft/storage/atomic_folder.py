"""Atomic folders: written under a hidden draft name, synced to the disk, and renamed once they are complete.

A draft has a lock file beside it, DRAFT.lock, which the operating system releases when the process ends, however it
ends. So a later process can tell a draft in progress from one that a killed process left, and deletes the latter.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import filelock

from graft.storage.atomic_file import fsync_folder

_TARGET_EXISTS: Final = (errno.EEXIST, errno.ENOTEMPTY, errno.EACCES)  # of a rename; on Windows the last


@contextmanager
def atomic_folder(target: Path, *, replace: bool = False) -> Iterator[Path]:
    """Yield a draft folder beside `target`; it is renamed to `target` if the block succeeds, else deleted.

    With `replace` an existing `target` is deleted just before the rename: use it only for a damaged one.

    Raises:
        FileExistsError: `target` exists, and `replace` is off; it is left unchanged.
        OSError: the folder cannot be written.
    """
    with draft_folder(target.absolute().parent, target.name) as draft:
        yield draft
        if replace:
            shutil.rmtree(target, ignore_errors=True)
        rename_draft(draft, target)


@contextmanager
def draft_folder(parent: Path, name: str = "") -> Iterator[Path]:
    """Yield a new, hidden folder in `parent`, which is deleted at the end of the block unless it was renamed.

    Drafts of the same `name` that killed processes left in `parent` are deleted; those in progress are not.

    Raises:
        OSError: the folder cannot be created.
    """
    prefix = f".{name}.draft-" if name else ".draft-"
    parent.mkdir(parents=True, exist_ok=True)
    remove_stale_folders(parent, prefix)
    folder, lock = create_locked_folder(parent, prefix)
    try:
        yield folder
    finally:
        remove_locked_folder(folder, lock)


def rename_draft(draft: Path, target: Path) -> None:
    """Sync everything in `draft` to the disk, then rename it to `target`, which readers see complete or not at all.

    Raises:
        FileExistsError: `target` exists; it is left unchanged.
        OSError: the draft cannot be synced or renamed.
    """
    draft.chmod(0o755)
    _fsync_tree(draft)
    try:
        if os.path.lexists(target):  # POSIX would replace an empty folder
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
        draft.rename(target)
    except OSError as fault:
        if fault.errno in _TARGET_EXISTS and os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from None
        raise
    fsync_folder(target.absolute().parent)


def create_locked_folder(parent: Path, prefix: str) -> tuple[Path, filelock.FileLock]:
    """Return a new, empty folder in `parent`, readable for its owner only, and its lock, which this process holds.

    Raises:
        OSError: it cannot be created.
    """
    while True:
        folder = parent / f"{prefix}{uuid.uuid4().hex}"
        lock = filelock.FileLock(f"{folder}.lock")
        Path(lock.lock_file).touch()  # the lock itself would not report why it cannot be created
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:  # another process took it for stale and deletes it: try a new name
            continue
        try:
            folder.mkdir(mode=0o700)
        except OSError:
            remove_locked_folder(folder, lock)
            raise
        return folder, lock


def remove_locked_folder(folder: Path, lock: filelock.FileLock) -> None:
    """Delete a folder that this process has locked, if it still has that name, and its lock file."""
    shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):
        Path(lock.lock_file).unlink(missing_ok=True)
    lock.release()


def remove_stale_folders(parent: Path, prefix: str) -> None:
    """Delete the folders in `parent` with that prefix whose processes ended; one without a lock file is not ours."""
    lock_pattern = re.compile(re.escape(prefix) + r"[0-9a-f]{32}\.lock")
    for path in [path for path in parent.iterdir() if lock_pattern.fullmatch(path.name)]:
        lock = filelock.FileLock(path)
        with contextlib.suppress(OSError):  # filelock.Timeout is one: another process holds it
            lock.acquire(timeout=0)
            remove_locked_folder(path.with_suffix(""), lock)


def _fsync_tree(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir():
            fsync_folder(path)
        else:
            with path.open("rb") as file:
                os.fsync(file.fileno())
    fsync_folder(folder)
