"""Whether a pack of weights may come into the cache, by its index: which files, how large, and with what hashes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from graft.errors import HashMismatch, UnknownBackbone, WeightsError
from zoo.catalog.backbone import Backbone, Precision
from zoo.catalog.find import get_backbone
from zoo.manage.offline_pack_index import TRUNK_FILES, PackEntry, PackIndex
from zoo.trunks import trunk_cache
from zoo.weights import lockfile, weights_cache
from zoo.weights.checksums import hash_record_path

_MAX_TRUNK_FILE_BYTES: Final = dict(zip(TRUNK_FILES, (2 << 30, 1 << 20, 256 << 20), strict=True))  # bytes


def validate_pack_index(index: PackIndex, pack_name: str) -> list[Backbone]:
    """Return the backbones of a pack, if all it holds may come in; `pack_name` is named in errors.

    Raises:
        HashMismatch: weights are not those that the catalog, graft.lock or this cache knows.
        WeightsError: it holds what this Graft does not know, or lacks what it needs.
    """
    files = {file.path: file for file in index.files}
    if len(files) < len(index.files):
        raise WeightsError(f"{pack_name} holds a file twice. Pack it once more. Nothing of it was kept.")
    backbones = [_require_backbone(name, pack_name) for name in index.backbones]
    remaining = dict(files)
    for backbone in backbones:
        found = [
            _take_weights_entry(backbone, part, remaining, pack_name) for part in weights_cache.weights_files(backbone)
        ]
        digest = weights_cache.combine_hashes(file.sha256 for file in found)
        for precision in Precision:
            _take_trunk_entries(
                f"trunks/{trunk_cache.trunk_key(backbone, str(digest), precision)}", remaining, pack_name
            )
    if remaining:
        raise WeightsError(
            f"{pack_name} holds {next(iter(remaining))!r}, which this Graft has no use for: was it packed by another version, "
            "or with a trunk of other weights? Use the same Graft on both machines. Nothing of it was kept."
        )
    return backbones


def _require_backbone(name: str, pack_name: str) -> Backbone:
    try:
        backbone = get_backbone(name)
    except UnknownBackbone:
        backbone = None
    if backbone is None or backbone.name != name:
        raise WeightsError(f"{pack_name} holds {name!r}, which this Graft's catalog does not. Update Graft.")
    return backbone


def _take_weights_entry(
    backbone: Backbone, weights_file: weights_cache.WeightsFile, remaining: dict[str, PackEntry], pack_name: str
) -> PackEntry:
    """Take one file of a backbone out of what is `remaining`."""
    path = f"weights/{backbone.name}/{weights_file.path.relative_to(weights_cache.weights_folder(backbone)).as_posix()}"
    file = remaining.pop(path, None)
    if file is None:
        raise WeightsError(f"{pack_name} lacks {path!r}. Pack it once more. Nothing of it was kept.")
    if not 0 < file.bytes <= backbone.max_file_bytes:
        raise WeightsError(
            f"{pack_name}: {path!r} has {file.bytes:,} bytes; at most {backbone.max_file_bytes:,} were expected."
        )
    for witness, sha256, change in _known_hashes(weights_file):
        if sha256 and sha256 != file.sha256:
            raise HashMismatch(
                f"{pack_name}: {path!r} has SHA-256 {file.sha256}; {witness} says {sha256}. Nothing of it was kept.{change}"
            )
    return file


def _known_hashes(weights_file: weights_cache.WeightsFile) -> Iterator[tuple[str, str | None, str]]:
    """Go through who knows the hash of a file: the name, the hash, what to do to take another one on purpose."""
    lock, record = lockfile.find_lockfile(), hash_record_path(weights_file.path)
    yield "the catalog", weights_file.catalog_sha256, ""
    yield str(lock), weights_file.lockfile_sha256, f" To take it on purpose, first take the entry out of {lock}."
    yield str(record), weights_file.record_sha256, f" To take it on purpose, first delete {record}."


def _take_trunk_entries(folder: str, remaining: dict[str, PackEntry], pack_name: str) -> None:
    """Take the files of one trunk out of what is `remaining`, if it is there."""
    found: Sequence[PackEntry] = [
        file for path, file in remaining.items() if path in {f"{folder}/{n}" for n in _MAX_TRUNK_FILE_BYTES}
    ]
    for file in found:
        if not 0 < file.bytes <= _MAX_TRUNK_FILE_BYTES[file.path.rpartition("/")[2]]:
            raise WeightsError(f"{pack_name}: {file.path!r} has {file.bytes:,} bytes, more than a trunk may have.")
        del remaining[file.path]
