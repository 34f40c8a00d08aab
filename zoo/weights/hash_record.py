from __future__ import annotations

import json
from pathlib import Path

from graft.storage.atomic_file import file_sha256, write_atomic


def hash_record_path(path: Path) -> Path:
    """Return where the hash of trusted weights is recorded."""
    return path.with_name(path.name + ".json")


def recorded_sha256(path: Path) -> str | None:
    """Return the SHA-256 that the file at `path` had when it was fetched; None where that is not known."""
    return _read_record(path, "sha256")


def recorded_url(path: Path) -> str:
    """Return the publisher's address of the file at `path`, or "unknown"."""
    return _read_record(path, "url") or "unknown"


def _read_record(path: Path, key: str) -> str | None:
    try:
        return str(json.loads(hash_record_path(path).read_bytes())[key])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_hash_record(path: Path, file: Path, url: str) -> None:
    """Note what `file` is, which is to become `path`."""
    facts = {"url": url, "sha256": file_sha256(file), "bytes": file.stat().st_size}
    write_atomic(hash_record_path(path), (json.dumps(facts, indent=2) + "\n").encode())
