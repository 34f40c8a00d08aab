"""Load an offline pack into the cache: checked before a byte of it is written, verified, and moved in atomically.

A pack comes from anywhere. Which files it may hold is decided by the catalog and the cache's own keys, never by the
pack; their hashes must match the catalog, graft.lock and the records in this cache. Weights with a hash in none of
these are trusted, as a first download is; trunks, which run no code, are trusted as whoever packed them built them.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from graft.errors import GraftError, HashMismatch, WeightsError
from graft.progress import Progress, ProgressBar
from graft.storage.atomic_file import fsync_folder
from graft.storage.cache_root import cache_root
from graft.storage.locks import exclusive_lock
from graft.storage.scratch import ScratchFolder
from zoo.catalog.backbone import Backbone, FileSource, Precision
from zoo.catalog.find import get_backbone
from zoo.manage.offline_pack import INDEX_CHECKSUM_FILE, INDEX_FILE, PackEntry, PackIndex, index_checksum
from zoo.manage.offline_pack_check import validate_pack_index
from zoo.trunks import trunk_cache
from zoo.trunks.trunk_cache import CachedTrunk
from zoo.weights import weights_cache
from zoo.weights.checksums import write_hash_record

_MAX_INDEX_BYTES: Final = 16 << 20
_READ_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class UnpackResult:
    """One folder of the cache that a pack was to fill."""

    kind: str  # "weights", "fp32 trunk", "int8 trunk"
    name: str  # of the backbone
    path: str
    new: bool  # it was not cached before


def unpack_weights(path: Path, progress: Progress) -> list[UnpackResult]:
    """Load the pack at `path` into the cache: all of it, or nothing if it is refused.

    Raises:
        HashMismatch: a file does not have the hash that the index, the catalog, graft.lock or this cache has for it.
        WeightsError: the file is no pack, it holds files that this Graft does not know, or the cache cannot be written.
    """
    try:
        with path.open("rb") as file:
            return _unpack_stream(path, file, progress)
    except (tarfile.TarError, ValueError) as fault:
        raise WeightsError(
            f"{path} is damaged, or was not written by `zoo bundle-weights` ({fault}). Copy it, or pack it, once more. "
            "Nothing of it was kept."
        ) from None
    except OSError as fault:
        where = fault.filename or cache_root()
        raise WeightsError(
            f"{path} cannot be loaded ({fault.strerror}: {where}). Nothing of it was kept. "
            "GRAFT_CACHE sets another folder for the cache."
        ) from None


def _unpack_stream(path: Path, file: BinaryIO, progress: Progress) -> list[UnpackResult]:
    with tarfile.open(fileobj=file, mode="r|", tarinfo=_RegularTarInfo, encoding="ascii", errors="strict") as tar:
        index_data = _read_member(tar, INDEX_FILE, max_bytes=_MAX_INDEX_BYTES)
        checksum = _read_member(tar, INDEX_CHECKSUM_FILE, max_bytes=len(index_checksum(b"")))
        if checksum != index_checksum(index_data):
            raise HashMismatch(f"{path} is damaged: its index has another SHA-256. Copy it, or pack it, once more.")
        index = PackIndex.from_json(index_data, str(path))
        backbones = validate_pack_index(index, str(path))
        _require_exact_size(file, index, len(index_data), len(checksum))
        _require_free_space(index, path)
        scratch = ScratchFolder()
        try:
            total_bytes = sum(entry.bytes for entry in index.files)
            with progress.bar(f"verifying {path.name}", total_bytes, "B") as bar:
                for entry in index.files:
                    _extract_entry(tar, entry, scratch.path, path, bar)
            if tar.next() is not None:
                raise tarfile.ReadError("there is something behind the last file")
            for backbone in backbones:
                _write_records(backbone, index, scratch.path / "weights" / backbone.name)
            return _move_into_cache(list(_iter_folder_moves(index, scratch.path, path)), scratch.path / "aside")
        finally:
            scratch.remove()


class _RegularTarInfo(tarfile.TarInfo):
    """A header that admits regular files only: no links, devices, folders, sparse files or extended headers.

    So `tarfile` reads nothing into memory for them: the content of an extended header may be of any size.
    """

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _RegularTarInfo:
        """Return the header in a block of 512 bytes."""
        info = super().frombuf(buf, encoding, errors)
        if info.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
            raise tarfile.ReadError(f"{info.name!r} is not a regular file")
        return info


def _next_member(tar: tarfile.TarFile, name: str) -> tarfile.TarInfo:
    """Return the next member, which must be called `name`."""
    member = tar.next()
    if member is None:
        raise tarfile.ReadError(f"{name!r} should come next, and does not")
    if member.name != name:
        raise tarfile.ReadError(f"{name!r} should come next, not {member.name!r}")
    return member


def _read_member(tar: tarfile.TarFile, name: str, *, max_bytes: int) -> bytes:
    """Return the content of the next member, which must be called `name` and have at most `max_bytes` bytes."""
    member = _next_member(tar, name)
    content = tar.extractfile(member)
    if content is None or not 0 <= member.size <= max_bytes:
        raise tarfile.ReadError(f"{name!r} has {member.size:,} bytes; allowed are {max_bytes:,}")
    return content.read()


def _require_exact_size(file: BinaryIO, index: PackIndex, *head_sizes: int) -> None:
    """Require that the pack has the size that its index implies: nothing is cut off, nothing is added."""
    sizes = (*head_sizes, *(entry.bytes for entry in index.files))
    blocks = sum(1 + -(-size // tarfile.BLOCKSIZE) for size in sizes) + 2  # a header each; two blocks of zeros
    actual, expected = os.fstat(file.fileno()).st_size, blocks * tarfile.BLOCKSIZE
    if actual < expected:
        raise tarfile.ReadError(f"it ends too early, after {actual:,} of {expected:,} bytes")
    if actual > expected:
        raise tarfile.ReadError("there is something behind the last file")


def _require_free_space(index: PackIndex, path: Path) -> None:
    needed_bytes = sum(entry.bytes for entry in index.files)
    root = cache_root()
    root.mkdir(parents=True, exist_ok=True)
    if (free_bytes := shutil.disk_usage(root).free) < needed_bytes:
        raise WeightsError(
            f"{path} needs {needed_bytes / 1e6:,.0f} MB in {root}; {free_bytes / 1e6:,.0f} MB are free. "
            "`zoo cache --prune` shows what can be deleted."
        )


def _extract_entry(tar: tarfile.TarFile, entry: PackEntry, scratch: Path, pack: Path, bar: ProgressBar) -> None:
    """Write the next member below `scratch`, and compare its name, size and hash with the index."""
    member = tarfile.data_filter(_next_member(tar, entry.path), str(scratch))
    content = tar.extractfile(member)
    if content is None or member.size != entry.bytes:
        raise tarfile.ReadError(f"{entry.path!r} has {member.size:,} bytes; its index says {entry.bytes:,}")
    target = scratch / entry.path
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with target.open("xb") as file:
        while block := content.read(_READ_BYTES):
            digest.update(block)
            file.write(block)
            bar.advance(len(block))
        file.flush()
        os.fsync(file.fileno())
    if digest.hexdigest() != entry.sha256:
        raise HashMismatch(
            f"{pack} is damaged: {entry.path} has SHA-256 {digest.hexdigest()}; its index says {entry.sha256}. "
            "Copy it, or pack it, once more. Nothing of it was kept."
        )


def _write_records(backbone: Backbone, index: PackIndex, folder: Path) -> None:
    """Write the hash records that a download would have written."""
    entries = {entry.path: entry for entry in index.files}
    if isinstance(backbone.source, FileSource):
        for file in backbone.source.files:
            entry = entries[f"weights/{backbone.name}/{file.path}"]
            write_hash_record(folder / file.path, url=file.url, sha256=entry.sha256, size=entry.bytes)


@dataclass(frozen=True, slots=True)
class _FolderMove:
    """A verified folder to be moved into the cache: weights, or a trunk."""

    kind: str
    name: str  # of the backbone
    source: Path
    target: Path

    def is_cached(self) -> bool:
        """Say whether the cache has an intact one already."""
        if self.kind == "weights":
            return all(file.is_intact() for file in weights_cache.weights_files(get_backbone(self.name)))
        cached = trunk_cache.read_trunk(self.target)
        return cached is not None and cached.is_intact()


def _iter_folder_moves(index: PackIndex, scratch: Path, pack: Path) -> Iterator[_FolderMove]:
    for name in index.backbones:
        yield _FolderMove("weights", name, scratch / "weights" / name, weights_cache.weights_folder(get_backbone(name)))
    for key in dict.fromkeys(Path(entry.path).parts[1] for entry in index.files if entry.path.startswith("trunks/")):
        trunk = trunk_cache.read_trunk(scratch / "trunks" / key)
        try:
            is_valid = trunk is not None and trunk.is_intact() and _key_from_record(trunk) == key
        except (GraftError, ValueError, LookupError, TypeError, AttributeError):  # its record may hold anything
            is_valid = False
        if not is_valid or trunk is None:
            raise HashMismatch(f"{pack}: its trunk {key} differs from its own record. Nothing of it was kept.")
        kind, name = f"{trunk.facts['precision']} trunk", str(trunk.facts["backbone"])
        yield _FolderMove(kind, name, trunk.folder, trunk_cache.trunks_folder() / key)


def _key_from_record(trunk: CachedTrunk) -> str:
    """Return the cache key that a trunk must have by its record."""
    facts = trunk.facts
    return trunk_cache.trunk_key(
        get_backbone(facts["backbone"]), facts["weights_sha256"], Precision(facts["precision"])
    )


def _move_into_cache(moves: list[_FolderMove], aside: Path) -> list[UnpackResult]:
    """Rename all folders into the cache; if one fails, those before it are moved back."""
    results = []
    with ExitStack() as undo:
        for number, move in enumerate(moves):
            with exclusive_lock(move.target):
                is_cached = move.is_cached()
                if not is_cached:
                    _replace_folder(move, aside / str(number), undo)
            results.append(UnpackResult(move.kind, move.name, str(move.target), not is_cached))
        for move in moves:
            if move.kind == "weights":
                weights_cache.record_in_lockfile(get_backbone(move.name))
        undo.pop_all()
    return results


def _replace_folder(move: _FolderMove, aside: Path, undo: ExitStack) -> None:
    """Rename a folder to its place in the cache; a damaged or different one there is moved aside."""
    if move.target.exists():
        aside.parent.mkdir(exist_ok=True)
        move.target.rename(aside)
        undo.callback(aside.rename, move.target)
    move.source.rename(move.target)
    undo.callback(move.target.rename, move.source)
    fsync_folder(move.target.parent)
