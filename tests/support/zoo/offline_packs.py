"""Packs of weights for tests, and what became of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from graft.progress import SilentProgress
from graft.storage.cache_root import cache_root
from tests.support.zoo.tiny_weights import sha256
from zoo.manage import offline_unpack, plain_tar
from zoo.manage.offline_pack_index import INDEX_FILE, PackEntry, PackIndex, checksum_file

NET: Final = "mobilenet_v2.imagenet"  # one file, without a hash
PRESET: Final = "bert_tiny.en_uncased"  # several files in folders

Go = Callable[[], None]  # moves to another machine


def unpack(path: Path) -> list[offline_unpack.UnpackResult]:
    return offline_unpack.unpack_weights(path, SilentProgress())


def nothing_came() -> bool:
    """Whether the cache holds nothing but locks and empty folders."""
    return not [path for path in cache_root().rglob("*") if path.is_file() and path.suffix != ".lock"]


def made(path: Path, files: dict[str, bytes], index: PackIndex | None = None) -> Path:
    """A pack of our own making, whose index fits whatever is in it."""
    facts = tuple(PackEntry(name, len(data), sha256(data)) for name, data in files.items())
    first = (index or PackIndex((NET,), facts)).to_json()
    tar = b""
    for name, data in {INDEX_FILE: first, f"{INDEX_FILE}.sha256": checksum_file(first), **files}.items():
        tar += plain_tar.header(name, len(data)) + data + plain_tar.padding(len(data))
    path.write_bytes(tar + plain_tar.end_marker())
    return path
