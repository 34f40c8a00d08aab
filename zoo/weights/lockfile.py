"""Lock file graft.lock: the SHA-256 of the pretrained weights that a team uses; a file to commit.

    {
      "graft_lock": 1,
      "weights": {
        "mobilenet_v2.imagenet": {
          "mobilenet_v2_no_top.h5": {"bytes": 9406464, "from": "https://...", "sha256": "..."}
        }
      }
    }

Most publishers give no hash, so the first download must be trusted. With this file that happens once: every later
download, by anyone and on any machine, must have the same bytes. It is the file that GRAFT_LOCK names, otherwise
`graft.lock` in the working folder or in the nearest folder above it. Every download is checked against it; only
`zoo pull`, `zoo load` and `zoo publish` write it.

To raise LOCKFILE_PROTOCOL: keep reading the old one, and note the change in CHANGELOG.md. A higher number is refused.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from graft.bundle.manifest import reject_duplicate_keys
from graft.errors import HashMismatch, WeightsError
from graft.storage.atomic_file import write_atomic
from graft.storage.cache_root import cache_root, expand_home
from graft.storage.locks import exclusive_lock

LOCKFILE_NAME: Final = "graft.lock"
LOCKFILE_PROTOCOL: Final = 1


@dataclass(frozen=True, slots=True)
class LockEntry:
    """SHA-256 and size of one file when it was fetched; `origin` is its URL, or the wheel that held it."""

    sha256: str
    bytes: int
    origin: str


LockEntries = Mapping[str, LockEntry]  # by their paths in the cache


@dataclass(frozen=True, slots=True)
class Lockfile:
    """A parsed lock file: entries by the name of their backbone."""

    path: Path
    weights: Mapping[str, LockEntries]


def find_lockfile() -> Path | None:
    """Return the path of the lock file; None if there is none.

    Raises:
        WeightsError: GRAFT_LOCK names a file that does not exist.
    """
    if configured := os.environ.get("GRAFT_LOCK"):
        path = expand_home(Path(configured), "GRAFT_LOCK").resolve()
        if not path.is_file():
            raise WeightsError(f"GRAFT_LOCK names {path}, which does not exist. `zoo pull NAME --lock` creates it.")
        return path
    try:
        folder = Path.cwd()
    except FileNotFoundError:
        return None
    candidates = (parent / LOCKFILE_NAME for parent in (folder, *folder.parents))
    nearest = next((path for path in candidates if path.is_file()), None)
    return nearest.resolve() if nearest else None


def create_lockfile() -> Path:
    """Return the path of the lock file; an empty one is created if there is none.

    Raises:
        WeightsError: it cannot be written.
    """
    configured = os.environ.get("GRAFT_LOCK")
    path = (
        expand_home(Path(configured), "GRAFT_LOCK").resolve()
        if configured
        else find_lockfile() or Path.cwd() / LOCKFILE_NAME
    )
    with _exclusive_access(path):
        if not path.exists():
            _write_lockfile(Lockfile(path, {}))
    return path


def read_lockfile() -> Lockfile | None:
    """Return the lock file that downloads are checked against; None if there is none.

    Raises:
        WeightsError: it is not a lock file, or has a newer format than this Graft reads.
    """
    path = find_lockfile()
    return _read_at(path) if path else None


def add_entries(path: Path, name: str, files: LockEntries) -> None:
    """Add the files of the backbone `name` to the lock file at `path`.

    Raises:
        HashMismatch: it has another hash for one of them.
        WeightsError: it cannot be read or written.
    """
    with _exclusive_access(path):
        lock = _read_at(path)
        entries = lock.weights.get(name, {})
        for file, facts in files.items():
            if file in entries and entries[file].sha256 != facts.sha256:
                raise HashMismatch(
                    f"{file} of {name} has SHA-256 {facts.sha256} here; {path} says {entries[file].sha256}. "
                    f"To take what is here on purpose: zoo pull {name} --relock"
                )
        if entries != {**entries, **files}:
            _write_lockfile(Lockfile(path, {**lock.weights, name: {**entries, **files}}))


@contextmanager
def unlock_entry(path: Path, name: str) -> Iterator[None]:
    """Remove the backbone `name` from the lock file at `path`; if the block fails, its entries are restored."""
    with _exclusive_access(path):
        before = _read_at(path)
        _write_lockfile(Lockfile(path, {other: files for other, files in before.weights.items() if other != name}))
    try:
        yield
    except BaseException:
        if name in before.weights:
            with _exclusive_access(path):
                _write_lockfile(Lockfile(path, {name: before.weights[name], **_read_at(path).weights}))
        raise


@contextmanager
def _exclusive_access(path: Path) -> Iterator[None]:
    """Hold an exclusive lock, which lies in the cache so that nothing is left beside a file to commit."""
    lock_path = cache_root() / "locks" / hashlib.sha256(os.fsencode(path)).hexdigest()[:32]
    try:
        with exclusive_lock(lock_path):
            yield
    except OSError as fault:
        raise WeightsError(
            f"{path} cannot be written ({fault.strerror}: {fault.filename}). GRAFT_LOCK sets another place."
        ) from None


def _write_lockfile(lock: Lockfile) -> None:
    weights = {
        name: {
            file: {"bytes": facts.bytes, "from": facts.origin, "sha256": facts.sha256} for file, facts in files.items()
        }
        for name, files in lock.weights.items()
    }
    text = json.dumps(
        {"graft_lock": LOCKFILE_PROTOCOL, "weights": weights}, indent=2, sort_keys=True, ensure_ascii=False
    )
    mode = lock.path.stat().st_mode if lock.path.exists() else 0o644  # a team shares it
    write_atomic(lock.path, (text + "\n").encode())
    lock.path.chmod(stat.S_IMODE(mode))


def _read_at(path: Path) -> Lockfile:
    try:
        facts = path.stat()
        return _parse_lockfile(path, (facts.st_mtime_ns, facts.st_size, facts.st_ino))
    except OSError as fault:
        raise WeightsError(f"{path} cannot be read ({fault.strerror}). Is GRAFT_LOCK right?") from None


@lru_cache(maxsize=4)
def _parse_lockfile(path: Path, stamp: tuple[int, int, int]) -> Lockfile:
    """Parse a lock file, once for each version of it (`stamp`): a pull of many backbones reads it for each of them."""
    try:
        facts = json.loads(path.read_bytes(), object_pairs_hook=reject_duplicate_keys)
        protocol = int(facts["graft_lock"])
        weights = (
            {}
            if protocol > LOCKFILE_PROTOCOL
            else {str(name): _parse_entries(of) for name, of in facts["weights"].items()}
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as fault:
        raise WeightsError(
            f"{path} is not a lock file ({fault}). Was it edited, or merged with a conflict? Restore it from version "
            "control; or delete it and create a new one by `zoo pull NAME --lock`, which trusts what it downloads."
        ) from None
    if protocol > LOCKFILE_PROTOCOL:
        raise WeightsError(f"{path} has format {protocol}; this Graft reads {LOCKFILE_PROTOCOL}. Update Graft.")
    return Lockfile(path, weights)


def _parse_entries(entries: Mapping[str, Any]) -> LockEntries:
    files = {str(file): LockEntry(str(f["sha256"]), int(f["bytes"]), str(f["from"])) for file, f in entries.items()}
    for file, facts in files.items():
        if len(facts.sha256) != 64 or set(facts.sha256) - set("0123456789abcdef"):
            raise ValueError(f"the sha256 of {file!r} is not 64 hex digits")
    return files
