"""What stands first in a pack of weights: which backbones it holds, which files, and the SHA-256 of each.

    graft-weights.json           this index
    graft-weights.json.sha256    its own SHA-256, as sha256sum writes it
    weights/NAME/FILE            as published
    trunks/KEY/FILE              as built, where trunks were packed too

Raising PROTOCOL: read the old one as well, and tell the change in CHANGELOG.md. A higher number is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

from zoo.errors import HashMismatch, WeightsError
from zoo.manifest import no_twins
from zoo.plain_tar import NotPlain, Reader

PROTOCOL: Final = 1
INDEX: Final = "graft-weights.json"
_MOST: Final = 16 << 20  # bytes of the index


@dataclass(frozen=True, slots=True)
class Packed:
    """One file of a pack: its path below the cache, and what it is."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Index:
    """The backbones of a pack by name, and its files in their order."""

    backbones: tuple[str, ...]
    files: tuple[Packed, ...]

    def to_json(self) -> bytes:
        """Return the bytes of the index."""
        facts = {"graft_weights": PROTOCOL, "backbones": self.backbones, "files": [asdict(file) for file in self.files]}
        return (json.dumps(facts, indent=2) + "\n").encode()


def checksum(data: bytes) -> bytes:
    """Return the second file of a pack; `data` is the first."""
    return f"{hashlib.sha256(data).hexdigest()}  {INDEX}\n".encode()


def read_index(tar: Reader, where: str) -> Index:
    """Read the first two files of a pack; `where` is named in errors.

    Raises:
        NotPlain: the bytes are no such tar.
        HashMismatch: they were damaged.
        WeightsError: it is a newer pack than this Graft reads.
    """
    data = tar.first(INDEX, _MOST)
    promised = checksum(data)
    if b"".join(tar.content(f"{INDEX}.sha256", len(promised))) != promised:
        raise HashMismatch(f"{where} is damaged: its index is not what was written. Copy it, or pack it, once more.")
    try:
        facts = json.loads(data, object_pairs_hook=no_twins)
        if int(facts["graft_weights"]) > PROTOCOL:
            raise WeightsError(
                f"{where} has the form {facts['graft_weights']}; this Graft reads {PROTOCOL}. Update Graft."
            )
        files = tuple(Packed(str(f["path"]), int(f["bytes"]), str(f["sha256"])) for f in facts["files"])
        return Index(_each_once(facts["backbones"]), files)
    except (ValueError, KeyError, TypeError, RecursionError) as fault:
        raise NotPlain(f"its index cannot be read: {fault!r}") from None


def _each_once(names: Sequence[str]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise ValueError("a backbone stands twice")
    return tuple(map(str, names))
