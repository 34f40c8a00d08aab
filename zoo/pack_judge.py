"""Whether a pack of weights may come into the cache, by its index: which files, how large, and with what hashes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from zoo import lockfile, trunk_cache, weights
from zoo.backbone import Backbone, Precision, get
from zoo.errors import HashMismatch, UnknownBackbone, WeightsError
from zoo.pack_index import Index, Packed
from zoo.packing import TRUNK_FILES
from zoo.remote import record_of

_TRUNK_CAPS: Final = dict(zip(TRUNK_FILES, (2 << 30, 1 << 20, 256 << 20), strict=True))  # bytes


def judged(index: Index, where: str) -> list[Backbone]:
    """Return the backbones of a pack, if all it holds may come in; `where` is named in errors.

    Raises:
        HashMismatch: weights are not those that the catalog, graft.lock or this cache knows.
        WeightsError: it holds what this Graft does not know, or lacks what it needs.
    """
    files = {file.path: file for file in index.files}
    if len(files) < len(index.files):
        raise WeightsError(f"{where} holds a file twice. Pack it once more. Nothing of it was kept.")
    backbones = [_known(name, where) for name in index.backbones]
    left = dict(files)
    for backbone in backbones:
        found = [_weights(backbone, part, left, where) for part in weights.parts(backbone)]
        digest = weights.joint_hash(file.sha256 for file in found)
        for precision in Precision:
            _trunk(f"trunks/{trunk_cache.key(backbone, str(digest), precision)}", left, where)
    if left:
        raise WeightsError(
            f"{where} holds {next(iter(left))!r}, which this Graft has no use for: was it packed by another version, "
            "or with a trunk of other weights? Use the same Graft on both machines. Nothing of it was kept."
        )
    return backbones


def _known(name: str, where: str) -> Backbone:
    try:
        backbone = get(name)
    except UnknownBackbone:
        backbone = None
    if backbone is None or backbone.name != name:
        raise WeightsError(f"{where} holds {name!r}, which this Graft's catalog does not. Update Graft.")
    return backbone


def _weights(backbone: Backbone, part: weights.Part, left: dict[str, Packed], where: str) -> Packed:
    """Take one file of a backbone out of what is `left`."""
    path = f"weights/{backbone.name}/{part.path.relative_to(weights.folder_of(backbone)).as_posix()}"
    file = left.pop(path, None)
    if file is None:
        raise WeightsError(f"{where} lacks {path!r}. Pack it once more. Nothing of it was kept.")
    if not 0 < file.bytes <= backbone.most_bytes:
        raise WeightsError(
            f"{where}: {path!r} has {file.bytes:,} bytes; at most {backbone.most_bytes:,} were expected."
        )
    for witness, sha256, change in _witnesses(part):
        if sha256 and sha256 != file.sha256:
            raise HashMismatch(
                f"{where}: {path!r} has SHA-256 {file.sha256}; {witness} says {sha256}. Nothing of it was kept.{change}"
            )
    return file


def _witnesses(part: weights.Part) -> Iterator[tuple[str, str | None, str]]:
    """Go through who knows the hash of a file: the name, the hash, what to do to take another one on purpose."""
    lock, record = lockfile.place(), record_of(part.path)
    yield "the catalog", part.pinned, ""
    yield str(lock), part.locked, f" To take it on purpose, first take the entry out of {lock}."
    yield str(record), part.recorded, f" To take it on purpose, first delete {record}."


def _trunk(folder: str, left: dict[str, Packed], where: str) -> None:
    """Take the files of one trunk out of what is `left`, if it is there."""
    found: Sequence[Packed] = [file for path, file in left.items() if path in {f"{folder}/{n}" for n in _TRUNK_CAPS}]
    for file in found:
        if not 0 < file.bytes <= _TRUNK_CAPS[file.path.rpartition("/")[2]]:
            raise WeightsError(f"{where}: {file.path!r} has {file.bytes:,} bytes, more than a trunk may have.")
        del left[file.path]
