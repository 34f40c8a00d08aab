"""Why the bytes of pretrained weights are believed: by the catalog, by graft.lock, or because they came first."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from graft.errors import HashMismatch
from graft.storage.atomic_file import file_sha256, write_atomic
from zoo.catalog.backbone import Backbone, WheelSource
from zoo.weights.lockfile import Lockfile


class HashPolicy(StrEnum):
    """What a fetch of weights is held to."""

    PINNED = "pinned"
    LOCKED = "locked"
    UNPINNED = "unpinned"


POLICY_DESCRIPTIONS: Final[Mapping[HashPolicy, str]] = {
    HashPolicy.PINNED: "the catalog has its SHA-256",
    HashPolicy.LOCKED: "graft.lock has its SHA-256; the publisher gives none",
    HashPolicy.UNPINNED: "no SHA-256 is published: the first fetch is trusted; `zoo pull NAME --lock` holds others to it",
}


def hash_policy(backbone: Backbone, lock: Lockfile | None) -> HashPolicy:
    """Return what the weights of `backbone` are held to by the catalog and `lock`: the weakest of their files tells."""
    unpinned = {path for path, sha256 in expected_hashes(backbone).items() if sha256 is None}
    if not unpinned:
        return HashPolicy.PINNED
    return HashPolicy.LOCKED if lock and unpinned <= lock.weights.get(backbone.name, {}).keys() else HashPolicy.UNPINNED


def expected_hashes(backbone: Backbone) -> dict[str, str | None]:
    """Return the files of a backbone, by what they are called in the cache: the catalog's SHA-256, None if it has none.

    The weights themselves come first.
    """
    source = backbone.source
    files = source.members if isinstance(source, WheelSource) else source.files
    return {file.path: file.sha256 for file in files}


def source_urls(backbone: Backbone) -> dict[str, str]:
    """Return where each file of a backbone is published: an address, or the wheel that it lies in."""
    source = backbone.source
    if isinstance(source, WheelSource):
        return {member.path: f"{source.package}=={source.version}" for member in source.members}
    return {file.path: file.url for file in source.files}


@dataclass(frozen=True, slots=True)
class ExpectedHash:
    """The SHA-256 that a file must have; None: any. `source` says who promised it, `override_hint` how it may change."""

    sha256: str | None
    source: str = "the catalog"
    override_hint: str = ""


def verify_sha256(file: Path, expected: ExpectedHash, url: str) -> None:
    found = file_sha256(file)
    if expected.sha256 and found != expected.sha256:
        raise HashMismatch(
            f"{url} gave bytes with SHA-256 {found}; promised is {expected.sha256} by {expected.source}. They were "
            f"thrown away; try again, or ask whoever runs the mirror.{expected.override_hint}"
        )


def verify_md5(file: Path, expected: str, url: str) -> None:
    with file.open("rb") as data:
        found = hashlib.file_digest(data, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found != expected:
        raise HashMismatch(
            f"{url} gave bytes with MD5 {found}; promised is {expected}. They were thrown away; "
            "try again, or ask whoever runs the mirror."
        )


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
