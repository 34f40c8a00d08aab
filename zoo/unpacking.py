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

from zoo import trunk_cache, weights
from zoo.backbone import Backbone, FileSource, Precision, get
from zoo.errors import GraftError, HashMismatch, WeightsError
from zoo.files import cache_root, locked, sync_folder
from zoo.pack_index import Index, Packed, read_index
from zoo.pack_judge import judged
from zoo.plain_tar import NotPlain, Reader
from zoo.progress import Bar, Progress
from zoo.pulling import keep_lock
from zoo.remote import write_record
from zoo.scratch import Scratch
from zoo.trunk_cache import CachedTrunk


@dataclass(frozen=True, slots=True)
class Taken:
    """One folder of the cache that a pack was to fill."""

    kind: str  # "weights", "fp32 trunk", "int8 trunk"
    name: str  # of the backbone
    path: str
    new: bool  # it was not here before


def unpack(path: Path, progress: Progress) -> list[Taken]:
    """Take the pack at `path` into the cache.

    Raises:
        HashMismatch: something in it is not what it says, or not what the catalog, graft.lock or this cache knows.
        WeightsError: it is no pack, holds what this Graft does not know, or the cache cannot be written.
            Of a pack that is refused nothing is kept.
    """
    try:
        with path.open("rb") as file:
            return _unpacked(path, file, progress)
    except NotPlain as fault:
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


def _unpacked(path: Path, file: BinaryIO, progress: Progress) -> list[Taken]:
    tar = Reader(file)
    index = read_index(tar, str(path))
    backbones = judged(index, str(path))
    _check_room(index, path)
    scratch = Scratch()
    try:
        total = sum(packed.bytes for packed in index.files)
        with progress.bar(f"verifying {path.name}", total, "B") as bar:
            for packed in index.files:
                _write(tar, packed, scratch.path / packed.path, path, bar)
            tar.finish()
        for backbone in backbones:
            _record(backbone, scratch.path / "weights" / backbone.name)
        return _moved(list(_folders(index, scratch.path, path)), scratch.path / "aside")
    finally:
        scratch.remove()


def _check_room(index: Index, path: Path) -> None:
    wanted = sum(packed.bytes for packed in index.files)
    root = cache_root()
    root.mkdir(parents=True, exist_ok=True)
    if (free := shutil.disk_usage(root).free) < wanted:
        raise WeightsError(
            f"{path} needs {wanted / 1e6:,.0f} MB in {root}; {free / 1e6:,.0f} MB are free. `zoo cache --prune` shows "
            "what can go."
        )


def _write(tar: Reader, packed: Packed, to: Path, pack: Path, bar: Bar) -> None:
    """Write one file, and compare it with what the index says."""
    to.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with to.open("xb") as file:
        for block in tar.content(packed.path, packed.bytes):
            digest.update(block)
            file.write(block)
            bar.advance(len(block))
        file.flush()
        os.fsync(file.fileno())
    if digest.hexdigest() != packed.sha256:
        raise HashMismatch(
            f"{pack} is damaged: {packed.path} has SHA-256 {digest.hexdigest()}; its index says {packed.sha256}. "
            "Copy it, or pack it, once more. Nothing of it was kept."
        )


def _record(backbone: Backbone, folder: Path) -> None:
    """Write the records that a fetch would have written."""
    if isinstance(backbone.source, FileSource):
        for file in backbone.source.files:
            write_record(folder / file.path, folder / file.path, file.url)


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder on its way into the cache: weights, or a trunk."""

    kind: str
    name: str  # of the backbone
    new: Path
    target: Path

    def is_here(self) -> bool:
        """Say whether the cache has it already."""
        if self.kind == "weights":
            return all(part.is_whole() for part in weights.parts(get(self.name)))
        here = trunk_cache.read(self.target)
        return here is not None and here.is_whole()


def _folders(index: Index, draft: Path, pack: Path) -> Iterator[_Folder]:
    for name in index.backbones:
        yield _Folder("weights", name, draft / "weights" / name, weights.folder_of(get(name)))
    for key in dict.fromkeys(Path(file.path).parts[1] for file in index.files if file.path.startswith("trunks/")):
        found = trunk_cache.read(draft / "trunks" / key)
        try:
            fine = found is not None and found.is_whole() and _key_of(found) == key
        except (GraftError, ValueError, LookupError, TypeError, AttributeError):  # its record may hold anything
            fine = False
        if not fine or found is None:
            raise HashMismatch(f"{pack}: its trunk {key} is not what its own record says. Nothing of it was kept.")
        kind, name = f"{found.facts['precision']} trunk", str(found.facts["backbone"])
        yield _Folder(kind, name, found.folder, trunk_cache.trunks() / key)


def _key_of(found: CachedTrunk) -> str:
    """Return the key that a trunk must have by its record."""
    facts = found.facts
    return trunk_cache.key(get(facts["backbone"]), facts["weights_sha256"], Precision(facts["precision"]))


def _moved(folders: list[_Folder], aside: Path) -> list[Taken]:
    """Give the folders their names in the cache; if one cannot have it, none has."""
    taken = []
    with ExitStack() as undo:
        for number, folder in enumerate(folders):
            with locked(folder.target):
                here = folder.is_here()
                if not here:
                    _swap(folder, aside / str(number), undo)
            taken.append(Taken(folder.kind, folder.name, str(folder.target), not here))
        for folder in folders:
            if folder.kind == "weights":
                keep_lock(get(folder.name))
        undo.pop_all()
    return taken


def _swap(folder: _Folder, aside: Path, undo: ExitStack) -> None:
    """Put a folder in its place; what was there, damaged or not the promised one, goes aside."""
    if folder.target.exists():
        aside.parent.mkdir(exist_ok=True)
        folder.target.rename(aside)
        undo.callback(aside.rename, folder.target)
    folder.new.rename(folder.target)
    undo.callback(folder.target.rename, folder.new)
    sync_folder(folder.target.parent)
