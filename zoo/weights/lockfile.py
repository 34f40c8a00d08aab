"""graft.lock: the SHA-256 of pretrained weights as a team fetched them; a file to commit.

    {
      "graft_lock": 1,
      "weights": {
        "mobilenet_v2.imagenet": {
          "mobilenet_v2_no_top.h5": {"bytes": 9406464, "from": "https://...", "sha256": "..."}
        }
      }
    }

Most publishers give no hash, so that the first fetch must be trusted. With this file it is trusted once: what is
fetched later, by whoever and wherever, must be the same bytes. It is the file that GRAFT_LOCK names, else `graft.lock`
in the working folder or the nearest folder above it. Every fetch is held to it; only `zoo pull`,
`zoo load` and `zoo publish` write it.

Raising PROTOCOL: read the old one as well, and tell the change in CHANGELOG.md. A higher number is refused.
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
    """What one file was when it was fetched; `origin` is its address, or the wheel that it lay in."""

    sha256: str
    bytes: int
    origin: str


LockEntries = Mapping[str, LockEntry]  # by what they are called in the cache


@dataclass(frozen=True, slots=True)
class Lockfile:
    """A lock file as it was read: files by the name of their backbone."""

    path: Path
    weights: Mapping[str, LockEntries]


def find_lockfile() -> Path | None:
    """Return where the lock file is; None where there is none.

    Raises:
        WeightsError: GRAFT_LOCK names a file that is not there.
    """
    if configured := os.environ.get("GRAFT_LOCK"):
        path = expand_home(Path(configured), "GRAFT_LOCK").resolve()
        if not path.is_file():
            raise WeightsError(f"GRAFT_LOCK names {path}, where no file is. `zoo pull NAME --lock` begins it.")
        return path
    try:
        here = Path.cwd()
    except FileNotFoundError:
        return None
    found = next(
        (folder / LOCKFILE_NAME for folder in (here, *here.parents) if (folder / LOCKFILE_NAME).is_file()), None
    )
    return found.resolve() if found else None


def create_lockfile() -> Path:
    """Return where the lock file is; an empty one is made where there is none.

    Raises:
        WeightsError: it cannot be written.
    """
    chosen = os.environ.get("GRAFT_LOCK")
    path = (
        expand_home(Path(chosen), "GRAFT_LOCK").resolve() if chosen else find_lockfile() or Path.cwd() / LOCKFILE_NAME
    )
    with _exclusive_access(path):
        if not path.exists():
            _write_lockfile(Lockfile(path, {}))
    return path


def read_lockfile() -> Lockfile | None:
    """Return the lock that every fetch is held to; None where there is none.

    Raises:
        WeightsError: it is no lock file, or a newer one than this Graft reads.
    """
    path = find_lockfile()
    return _read_at(path) if path else None


def add_entries(path: Path, name: str, files: LockEntries) -> None:
    """Put the files of the backbone `name` into the lock file at `path`.

    Raises:
        HashMismatch: it has another hash of one of them.
        WeightsError: it cannot be read or written.
    """
    with _exclusive_access(path):
        lock = _read_at(path)
        known = lock.weights.get(name, {})
        for file, facts in files.items():
            if file in known and known[file].sha256 != facts.sha256:
                raise HashMismatch(
                    f"{file} of {name} has SHA-256 {facts.sha256} here; {path} says {known[file].sha256}. "
                    f"To take what is here on purpose: zoo pull {name} --relock"
                )
        if known != {**known, **files}:
            _write_lockfile(Lockfile(path, {**lock.weights, name: {**known, **files}}))


@contextmanager
def unlock_entry(path: Path, name: str) -> Iterator[None]:
    """Take the backbone `name` out of the lock file at `path`; where the block fails it is put back."""
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
    """Hold the lock of the lock file. It lies in the cache: beside a file to commit nothing is left."""
    lock_path = cache_root() / "locks" / hashlib.sha256(os.fsencode(path)).hexdigest()[:32]
    try:
        with exclusive_lock(lock_path):
            yield
    except OSError as fault:
        raise WeightsError(
            f"{path} cannot be written ({fault.strerror}: {fault.filename}). GRAFT_LOCK names another place."
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
    """Read a lock file once for as long as it does not change: a fetch of many backbones asks for each of them."""
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
            f"{path} is no lock file ({fault}). Was it edited, or merged with a conflict? Take it from your version "
            "control again; or delete it, and let `zoo pull NAME --lock` begin a new one, which trusts anew."
        ) from None
    if protocol > LOCKFILE_PROTOCOL:
        raise WeightsError(f"{path} has the form {protocol}; this Graft reads {LOCKFILE_PROTOCOL}. Update Graft.")
    return Lockfile(path, weights)


def _parse_entries(entries: Mapping[str, Any]) -> LockEntries:
    files = {str(file): LockEntry(str(f["sha256"]), int(f["bytes"]), str(f["from"])) for file, f in entries.items()}
    for file, facts in files.items():
        if len(facts.sha256) != 64 or set(facts.sha256) - set("0123456789abcdef"):
            raise ValueError(f"the sha256 of {file!r} is none")
    return files
