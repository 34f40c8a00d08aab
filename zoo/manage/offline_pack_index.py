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

from graft.bundle.manifest import reject_duplicate_keys
from graft.errors import HashMismatch, WeightsError
from zoo.convert.process.child_process import TOKENIZER_FILE
from zoo.manage.plain_tar import PlainTarError, PlainTarReader

PACK_PROTOCOL: Final = 1


INDEX_FILE: Final = "graft-weights.json"


_MAX_INDEX_BYTES: Final = 16 << 20  # bytes of the index


TRUNK_FILES: Final = ("trunk.onnx", "trunk.json", TOKENIZER_FILE)  # the last one for texts only


@dataclass(frozen=True, slots=True)
class PackEntry:
    """One file of a pack: its path below the cache, and what it is."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class PackIndex:
    """The backbones of a pack by name, and its files in their order."""

    backbones: tuple[str, ...]
    files: tuple[PackEntry, ...]

    def to_json(self) -> bytes:
        """Return the bytes of the index."""
        facts = {
            "graft_weights": PACK_PROTOCOL,
            "backbones": self.backbones,
            "files": [asdict(file) for file in self.files],
        }
        return (json.dumps(facts, indent=2) + "\n").encode()


def checksum_file(data: bytes) -> bytes:
    """Return the second file of a pack; `data` is the first."""
    return f"{hashlib.sha256(data).hexdigest()}  {INDEX_FILE}\n".encode()


def read_pack_index(tar: PlainTarReader, pack_name: str) -> PackIndex:
    """Read the first two files of a pack; `pack_name` is named in errors.

    Raises:
        NotPlain: the bytes are no such tar.
        HashMismatch: they were damaged.
        WeightsError: it is a newer pack than this Graft reads.
    """
    data = tar.read_first(INDEX_FILE, _MAX_INDEX_BYTES)
    expected = checksum_file(data)
    if b"".join(tar.iter_content(f"{INDEX_FILE}.sha256", len(expected))) != expected:
        raise HashMismatch(
            f"{pack_name} is damaged: its index is not what was written. Copy it, or pack it, once more."
        )
    try:
        facts = json.loads(data, object_pairs_hook=reject_duplicate_keys)
        if int(facts["graft_weights"]) > PACK_PROTOCOL:
            raise WeightsError(
                f"{pack_name} has the form {facts['graft_weights']}; this Graft reads {PACK_PROTOCOL}. Update Graft."
            )
        files = tuple(PackEntry(str(f["path"]), int(f["bytes"]), str(f["sha256"])) for f in facts["files"])
        return PackIndex(_require_unique(facts["backbones"]), files)
    except (ValueError, KeyError, TypeError, RecursionError) as fault:
        raise PlainTarError(f"its index cannot be read: {fault!r}") from None


def _require_unique(names: Sequence[str]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise ValueError("a backbone stands twice")
    return tuple(map(str, names))
