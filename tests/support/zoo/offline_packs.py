"""Packs of weights for tests, and what became of them."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from graft.progress import SilentProgress
from graft.storage.cache_root import cache_root
from tests.support.zoo.tiny_weights import sha256
from zoo.manage import offline_unpack
from zoo.manage.offline_pack import INDEX_CHECKSUM_FILE, INDEX_FILE, PackEntry, PackIndex, index_checksum

NET: Final = "mobilenet_v2.imagenet"  # one file, without a hash
PRESET: Final = "bert_tiny.en_uncased"  # several files in folders

SwitchMachine = Callable[[], None]  # moves to another machine


def unpack(path: Path) -> list[offline_unpack.UnpackResult]:
    return offline_unpack.unpack_weights(path, SilentProgress())


def is_cache_empty() -> bool:
    """Whether the cache holds nothing but locks and empty folders."""
    return not [path for path in cache_root().rglob("*") if path.is_file() and path.suffix != ".lock"]


def write_pack(path: Path, files: dict[str, bytes], index: PackIndex | None = None) -> Path:
    """Write a pack whose index fits whatever is in it."""
    facts = tuple(PackEntry(name, len(data), sha256(data)) for name, data in files.items())
    first = (index or PackIndex((NET,), facts)).to_json()
    path.write_bytes(ustar({INDEX_FILE: first, INDEX_CHECKSUM_FILE: index_checksum(first), **files}))
    return path


def ustar(files: dict[str, bytes]) -> bytes:
    """Return the bytes of a tar file as packs have it, written block by block."""
    tar = b""
    for name, data in files.items():
        info = tarfile.TarInfo(name)
        info.size = len(data)
        tar += info.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict") + data + bytes(-len(data) % tarfile.BLOCKSIZE)
    return tar + bytes(2 * tarfile.BLOCKSIZE)
