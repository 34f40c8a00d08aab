"""A folder in the cache that lives as long as the object which asked for it, or as its process."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import uuid
import weakref
from pathlib import Path

import filelock

from zoo.files import cache_root


class Scratch:
    """A new, empty folder, `path`. It is removed with the last reference to this object and at the end of the process.

    What a killed process left is swept by the next one that makes such a folder: each is guarded by a lock, which
    the system frees. Where the cache cannot be written the folder lies among the system's temporary files.

    Raises:
        OSError: there is no place to write.
    """

    def __init__(self) -> None:
        base = cache_root() / "scratch"
        try:
            base.mkdir(parents=True, exist_ok=True)
            _sweep(base)
            self.path, lock = _made(base)
        except OSError:
            self.path, lock = _made(Path(tempfile.gettempdir()))
        self._end = weakref.finalize(self, _remove, self.path, lock)

    def remove(self) -> None:
        """Remove the folder now."""
        self._end()


def _made(base: Path) -> tuple[Path, filelock.FileLock]:
    name = f"graft-{uuid.uuid4().hex}"
    lock = filelock.FileLock(base / f"{name}.lock")
    lock.acquire(timeout=0)
    (base / name).mkdir(mode=0o700)
    return base / name, lock


def _remove(folder: Path, lock: filelock.FileLock) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):
        Path(lock.lock_file).unlink(missing_ok=True)
    lock.release()


def _sweep(base: Path) -> None:
    """Remove the folders whose processes are gone."""
    for path in base.glob("graft-*.lock"):
        lock = filelock.FileLock(path)
        with contextlib.suppress(OSError):  # filelock.Timeout is one: somebody holds it
            lock.acquire(timeout=0)
            _remove(path.with_suffix(""), lock)
