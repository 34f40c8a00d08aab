"""Atomic file writes: a temporary name, fsync, one rename; and SHA-256 checksums of files."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


@contextlib.contextmanager
def open_atomic(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file beside `path` for writing; it is renamed to `path` if the block succeeds, else deleted.

    The bytes are synced to the disk before the rename, so no reader ever sees a partial file.
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
    fsync_folder(path.parent)


def write_atomic(path: Path, data: bytes) -> None:
    """Write `data` to `path` atomically."""
    with open_atomic(path) as file:
        file.write(data)


def require_writable(folder: Path) -> None:
    """Require that files can be written in `folder`, or where it would be created. Nothing is left behind.

    Raises:
        OSError: they cannot; its `filename` is the folder that was tried.
    """
    existing_folder = folder.absolute()
    while not existing_folder.exists() and not existing_folder.is_symlink():
        existing_folder = existing_folder.parent
    try:
        with tempfile.TemporaryFile(dir=existing_folder) as file:
            file.write(b"\0" * 4096)
            file.flush()
    except OSError as fault:
        raise OSError(fault.errno, fault.strerror, str(existing_folder)) from None


def fsync_folder(folder: Path) -> None:
    """Sync the names in `folder` to the disk, so that they survive a power cut; not possible on Windows."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
