"""Why the bytes of pretrained weights are believed: by the catalog, by graft.lock, or because they came first."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from zoo.backbone import Backbone, WheelSource
from zoo.lockfile import Lockfile


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
