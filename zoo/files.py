"""Files on disk that are whole or not there: cache root, locks, temporary names, hashes."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import filelock

from zoo.errors import WeightsError


def cache_root() -> Path:
    """Return Graft's cache folder: `GRAFT_CACHE`, else `graft` in the user's cache folder.

    Raises:
        WeightsError: it is below a home folder that there is not.
    """
    usual = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "graft"
    return at_home(Path(os.environ.get("GRAFT_CACHE") or usual), "GRAFT_CACHE")


def at_home(path: Path, setting: str) -> Path:
    """Return `path` with the home folder that it may begin with; `setting` is what another place is named by.

    Raises:
        WeightsError: there is no such home folder.
    """
    try:
        return path.expanduser()
    except RuntimeError:
        raise WeightsError(f"{path} is below a home folder that is not here. {setting} names another place.") from None


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock beside `path`, so that one process at a time makes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(path.with_name(path.name + ".lock")):
        yield


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary sibling of `path` for writing; it becomes `path` only if all goes well.

    The bytes are on the disk before the name is: no reader ever sees half a file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_whole(path: Path, data: bytes) -> None:
    """Write `data` to `path`, whole or not at all."""
    with written_whole(path) as file:
        file.write(data)


def try_writing(folder: Path) -> None:
    """Write a little where `folder` is, or where it would be made, and leave nothing behind.

    Raises:
        OSError: that cannot be done; its `filename` is the folder that was tried.
    """
    there = folder.absolute()
    while not there.exists() and not there.is_symlink():
        there = there.parent
    try:
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(b"\0" * 4096)
            file.flush()
    except OSError as fault:
        raise OSError(fault.errno, fault.strerror, str(there)) from None


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` survive a power cut, where the platform can."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
