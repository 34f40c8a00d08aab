"""Expected SHA-256 of pretrained weights: from the catalog, from graft.lock, or from the record of the first fetch.

FILE.json    beside a cached FILE: the record of its URL, its SHA-256 and its size
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Final

from graft.storage.atomic_file import write_atomic
from zoo.catalog.backbone import Backbone, WheelSource
from zoo.weights.lockfile import Lockfile


class HashPolicy(StrEnum):
    """Where the hash comes from that a download of weights is checked against."""

    PINNED = "pinned"
    LOCKED = "locked"
    UNPINNED = "unpinned"


POLICY_DESCRIPTIONS: Final[Mapping[HashPolicy, str]] = {
    HashPolicy.PINNED: "the catalog has its SHA-256",
    HashPolicy.LOCKED: "graft.lock has its SHA-256; the publisher gives none",
    HashPolicy.UNPINNED: (
        "no SHA-256 is published: the first fetch is trusted; after `zoo pull NAME --lock`, others must match it"
    ),
}


def hash_policy(backbone: Backbone, lock: Lockfile | None) -> HashPolicy:
    """Return the hash policy of a backbone's weights under the catalog and `lock`: that of its weakest file.

    >>> from zoo import get_backbone
    >>> str(hash_policy(get_backbone("efficientnet_lite0"), lock=None))
    'pinned'
    """
    unpinned = {path for path, sha256 in catalog_hashes(backbone).items() if sha256 is None}
    if not unpinned:
        return HashPolicy.PINNED
    return HashPolicy.LOCKED if lock and unpinned <= lock.weights.get(backbone.name, {}).keys() else HashPolicy.UNPINNED


def catalog_hashes(backbone: Backbone) -> dict[str, str | None]:
    """Return the SHA-256 of each file of a backbone, by its path in the cache; None where the catalog has none.

    The weights themselves come first.
    """
    source = backbone.source
    files = source.members if isinstance(source, WheelSource) else source.files
    return {file.path: file.sha256 for file in files}


def source_urls(backbone: Backbone) -> dict[str, str]:
    """Return where each file of a backbone is published, by its path in the cache: a URL, or "package==version"."""
    source = backbone.source
    if isinstance(source, WheelSource):
        return {member.path: f"{source.package}=={source.version}" for member in source.members}
    return {file.path: file.url for file in source.files}


def hash_record_path(path: Path) -> Path:
    """Return the path of the hash record of the cached file at `path`."""
    return path.with_name(path.name + ".json")


def recorded_sha256(path: Path) -> str | None:
    """Return the SHA-256 that the file at `path` had when it was fetched; None if there is no record."""
    return _read_record(path, "sha256")


def recorded_url(path: Path) -> str:
    """Return the publisher's URL of the file at `path`, or "unknown"."""
    return _read_record(path, "url") or "unknown"


def write_hash_record(path: Path, *, url: str, sha256: str, size: int) -> None:
    """Write the hash record of the file at `path`, which has `size` bytes and is published at `url`."""
    facts = {"url": url, "sha256": sha256, "bytes": size}
    write_atomic(hash_record_path(path), (json.dumps(facts, indent=2) + "\n").encode())


def _read_record(path: Path, key: str) -> str | None:
    try:
        return str(json.loads(hash_record_path(path).read_bytes())[key])
    except (OSError, ValueError, KeyError, TypeError):
        return None
