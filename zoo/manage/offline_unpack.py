"""A pack of weights taken into the cache: judged before a byte of it is written, verified, then whole or not at all.

A pack comes from anywhere. Which files it may hold is told by the catalog and the cache's own keys, never by the pack;
of what bytes, by the catalog, by graft.lock and by what was recorded here. Weights that none of these knows are
trusted, as a first fetch is; trunks, which run no code, are taken as whoever packed them built them.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from graft.errors import GraftError, HashMismatch, WeightsError
from graft.progress import Progress, ProgressBar
from graft.storage.atomic_file import fsync_folder
from graft.storage.cache_root import cache_root
from graft.storage.locks import exclusive_lock
from graft.storage.scratch import ScratchFolder
from zoo.catalog.backbone import Backbone, FileSource, Precision
from zoo.catalog.find import get_backbone
from zoo.manage.offline_pack_check import validate_pack_index
from zoo.manage.offline_pack_index import PackEntry, PackIndex, read_pack_index
from zoo.manage.plain_tar import PlainTarError, PlainTarReader
from zoo.trunks import trunk_cache
from zoo.trunks.trunk_cache import CachedTrunk
from zoo.weights import weights_cache
from zoo.weights.checksums import write_hash_record
from zoo.weights.weights_cache import record_in_lockfile


@dataclass(frozen=True, slots=True)
class UnpackResult:
    """One folder of the cache that a pack was to fill."""

    kind: str  # "weights", "fp32 trunk", "int8 trunk"
    name: str  # of the backbone
    path: str
    new: bool  # it was not here before


def unpack_weights(path: Path, progress: Progress) -> list[UnpackResult]:
    """Take the pack at `path` into the cache.

    Raises:
        HashMismatch: something in it is not what it says, or not what the catalog, graft.lock or this cache knows.
        WeightsError: it is no pack, holds what this Graft does not know, or the cache cannot be written.
            Of a pack that is refused nothing is kept.
    """
    try:
        with path.open("rb") as file:
            return _unpack_stream(path, file, progress)
    except PlainTarError as fault:
        raise WeightsError(
            f"{path} is damaged, or was not written by `zoo bundle-weights` ({fault}). Copy it, or pack it, once more. "
            "Nothing of it was kept."
        ) from None
    except OSError as fault:
        where = fault.filename or cache_root()
        raise WeightsError(
            f"{path} cannot be taken in ({fault.strerror}: {where}). Nothing of it was kept. "
            "GRAFT_CACHE names another folder for the cache."
        ) from None


def _unpack_stream(path: Path, file: BinaryIO, progress: Progress) -> list[UnpackResult]:
    tar = PlainTarReader(file)
    index = read_pack_index(tar, str(path))
    backbones = validate_pack_index(index, str(path))
    _require_free_space(index, path)
    scratch = ScratchFolder()
    try:
        total = sum(packed.bytes for packed in index.files)
        with progress.bar(f"verifying {path.name}", total, "B") as bar:
            for packed in index.files:
                _write_entry(tar, packed, scratch.path / packed.path, path, bar)
            tar.expect_end()
        for backbone in backbones:
            _write_records(backbone, index, scratch.path / "weights" / backbone.name)
        return _move_into_cache(list(_iter_folder_moves(index, scratch.path, path)), scratch.path / "aside")
    finally:
        scratch.remove()


def _require_free_space(index: PackIndex, path: Path) -> None:
    needed_bytes = sum(packed.bytes for packed in index.files)
    root = cache_root()
    root.mkdir(parents=True, exist_ok=True)
    if (free := shutil.disk_usage(root).free) < needed_bytes:
        raise WeightsError(
            f"{path} needs {needed_bytes / 1e6:,.0f} MB in {root}; {free / 1e6:,.0f} MB are free. `zoo cache --prune` shows "
            "what can go."
        )


def _write_entry(tar: PlainTarReader, entry: PackEntry, target: Path, pack: Path, bar: ProgressBar) -> None:
    """Write one file, and compare it with what the index says."""
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with target.open("xb") as file:
        for block in tar.iter_content(entry.path, entry.bytes):
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
    """Write the records that a fetch would have written."""
    entries = {entry.path: entry for entry in index.files}
    if isinstance(backbone.source, FileSource):
        for file in backbone.source.files:
            entry = entries[f"weights/{backbone.name}/{file.path}"]
            write_hash_record(folder / file.path, url=file.url, sha256=entry.sha256, size=entry.bytes)


@dataclass(frozen=True, slots=True)
class _FolderMove:
    """A folder on its way into the cache: weights, or a trunk."""

    kind: str
    name: str  # of the backbone
    source: Path
    target: Path

    def is_in_cache(self) -> bool:
        """Say whether the cache has it already."""
        if self.kind == "weights":
            return all(part.is_intact() for part in weights_cache.weights_files(get_backbone(self.name)))
        here = trunk_cache.read_trunk(self.target)
        return here is not None and here.is_intact()


def _iter_folder_moves(index: PackIndex, draft: Path, pack: Path) -> Iterator[_FolderMove]:
    for name in index.backbones:
        yield _FolderMove("weights", name, draft / "weights" / name, weights_cache.weights_folder(get_backbone(name)))
    for key in dict.fromkeys(Path(file.path).parts[1] for file in index.files if file.path.startswith("trunks/")):
        found = trunk_cache.read_trunk(draft / "trunks" / key)
        try:
            is_valid = found is not None and found.is_intact() and _key_from_record(found) == key
        except (GraftError, ValueError, LookupError, TypeError, AttributeError):  # its record may hold anything
            is_valid = False
        if not is_valid or found is None:
            raise HashMismatch(f"{pack}: its trunk {key} is not what its own record says. Nothing of it was kept.")
        kind, name = f"{found.facts['precision']} trunk", str(found.facts["backbone"])
        yield _FolderMove(kind, name, found.folder, trunk_cache.trunks_folder() / key)


def _key_from_record(found: CachedTrunk) -> str:
    """Return the key that a trunk must have by its record."""
    facts = found.facts
    return trunk_cache.trunk_key(
        get_backbone(facts["backbone"]), facts["weights_sha256"], Precision(facts["precision"])
    )


def _move_into_cache(folders: list[_FolderMove], aside: Path) -> list[UnpackResult]:
    """Give the folders their names in the cache; if one cannot have it, none has."""
    results = []
    with ExitStack() as undo:
        for number, folder in enumerate(folders):
            with exclusive_lock(folder.target):
                is_in_cache = folder.is_in_cache()
                if not is_in_cache:
                    _replace_folder(folder, aside / str(number), undo)
            results.append(UnpackResult(folder.kind, folder.name, str(folder.target), not is_in_cache))
        for folder in folders:
            if folder.kind == "weights":
                record_in_lockfile(get_backbone(folder.name))
        undo.pop_all()
    return results


def _replace_folder(folder: _FolderMove, aside: Path, undo: ExitStack) -> None:
    """Put a folder in its place; what was there, damaged or not the promised one, goes aside."""
    if folder.target.exists():
        aside.parent.mkdir(exist_ok=True)
        folder.target.rename(aside)
        undo.callback(aside.rename, folder.target)
    folder.source.rename(folder.target)
    undo.callback(folder.target.rename, folder.source)
    fsync_folder(folder.target.parent)
