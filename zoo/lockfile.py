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

from zoo.errors import HashMismatch, WeightsError
from zoo.files import at_home, cache_root, locked, write_whole
from zoo.manifest import no_twins

NAME: Final = "graft.lock"
PROTOCOL: Final = 1


@dataclass(frozen=True, slots=True)
class Locked:
    """What one file was when it was fetched; `origin` is its address, or the wheel that it lay in."""

    sha256: str
    bytes: int
    origin: str


Files = Mapping[str, Locked]  # by what they are called in the cache


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock file as it was read: files by the name of their backbone."""

    path: Path
    weights: Mapping[str, Files]


def place() -> Path | None:
    """Return where the lock file is; None where there is none.

    Raises:
        WeightsError: GRAFT_LOCK names a file that is not there.
    """
    if chosen := os.environ.get("GRAFT_LOCK"):
        path = at_home(Path(chosen), "GRAFT_LOCK").resolve()
        if not path.is_file():
            raise WeightsError(f"GRAFT_LOCK names {path}, where no file is. `zoo pull NAME --lock` begins it.")
        return path
    try:
        here = Path.cwd()
    except FileNotFoundError:
        return None
    found = next((folder / NAME for folder in (here, *here.parents) if (folder / NAME).is_file()), None)
    return found.resolve() if found else None


def begin() -> Path:
    """Return where the lock file is; an empty one is made where there is none.

    Raises:
        WeightsError: it cannot be written.
    """
    chosen = os.environ.get("GRAFT_LOCK")
    path = at_home(Path(chosen), "GRAFT_LOCK").resolve() if chosen else place() or Path.cwd() / NAME
    with _guarded(path):
        if not path.exists():
            _write(Lock(path, {}))
    return path


def read() -> Lock | None:
    """Return the lock that every fetch is held to; None where there is none.

    Raises:
        WeightsError: it is no lock file, or a newer one than this Graft reads.
    """
    path = place()
    return _read(path) if path else None


def record(path: Path, name: str, files: Files) -> None:
    """Put the files of the backbone `name` into the lock file at `path`.

    Raises:
        HashMismatch: it has another hash of one of them.
        WeightsError: it cannot be read or written.
    """
    with _guarded(path):
        lock = _read(path)
        known = lock.weights.get(name, {})
        for file, facts in files.items():
            if file in known and known[file].sha256 != facts.sha256:
                raise HashMismatch(
                    f"{file} of {name} has SHA-256 {facts.sha256} here; {path} says {known[file].sha256}. "
                    f"To take what is here on purpose: zoo pull {name} --relock"
                )
        if known != {**known, **files}:
            _write(Lock(path, {**lock.weights, name: {**known, **files}}))


@contextmanager
def reopened(path: Path, name: str) -> Iterator[None]:
    """Take the backbone `name` out of the lock file at `path`; where the block fails it is put back."""
    with _guarded(path):
        before = _read(path)
        _write(Lock(path, {other: files for other, files in before.weights.items() if other != name}))
    try:
        yield
    except BaseException:
        if name in before.weights:
            with _guarded(path):
                _write(Lock(path, {name: before.weights[name], **_read(path).weights}))
        raise


@contextmanager
def _guarded(path: Path) -> Iterator[None]:
    """Hold the lock of the lock file. It lies in the cache: beside a file to commit nothing is left."""
    guard = cache_root() / "locks" / hashlib.sha256(os.fsencode(path)).hexdigest()[:32]
    try:
        with locked(guard):
            yield
    except OSError as fault:
        raise WeightsError(
            f"{path} cannot be written ({fault.strerror}: {fault.filename}). GRAFT_LOCK names another place."
        ) from None


def _write(lock: Lock) -> None:
    weights = {
        name: {
            file: {"bytes": facts.bytes, "from": facts.origin, "sha256": facts.sha256} for file, facts in files.items()
        }
        for name, files in lock.weights.items()
    }
    text = json.dumps({"graft_lock": PROTOCOL, "weights": weights}, indent=2, sort_keys=True, ensure_ascii=False)
    mode = lock.path.stat().st_mode if lock.path.exists() else 0o644  # a team shares it
    write_whole(lock.path, (text + "\n").encode())
    lock.path.chmod(stat.S_IMODE(mode))


def _read(path: Path) -> Lock:
    try:
        facts = path.stat()
        return _parsed(path, (facts.st_mtime_ns, facts.st_size, facts.st_ino))
    except OSError as fault:
        raise WeightsError(f"{path} cannot be read ({fault.strerror}). Is GRAFT_LOCK right?") from None


@lru_cache(maxsize=4)
def _parsed(path: Path, _: tuple[int, int, int]) -> Lock:
    """Read a lock file once for as long as it does not change: a fetch of many backbones asks for each of them."""
    try:
        facts = json.loads(path.read_bytes(), object_pairs_hook=no_twins)
        protocol = int(facts["graft_lock"])
        weights = {} if protocol > PROTOCOL else {str(name): _files(of) for name, of in facts["weights"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as fault:
        raise WeightsError(
            f"{path} is no lock file ({fault}). Was it edited, or merged with a conflict? Take it from your version "
            "control again; or delete it, and let `zoo pull NAME --lock` begin a new one, which trusts anew."
        ) from None
    if protocol > PROTOCOL:
        raise WeightsError(f"{path} has the form {protocol}; this Graft reads {PROTOCOL}. Update Graft.")
    return Lock(path, weights)


def _files(of: Mapping[str, Any]) -> Files:
    files = {str(file): Locked(str(f["sha256"]), int(f["bytes"]), str(f["from"])) for file, f in of.items()}
    for file, facts in files.items():
        if len(facts.sha256) != 64 or set(facts.sha256) - set("0123456789abcdef"):
            raise ValueError(f"the sha256 of {file!r} is none")
    return files
