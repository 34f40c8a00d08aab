"""Check the index of an offline pack before anything is read from it: which files, how large, and with which hashes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from graft.errors import HashMismatch, UnknownBackbone, WeightsError
from zoo.catalog.backbone import Backbone, Precision
from zoo.catalog.find import get_backbone
from zoo.manage.offline_pack import TRUNK_FILES, PackEntry, PackIndex
from zoo.trunks import trunk_cache
from zoo.weights import lockfile, weights_cache
from zoo.weights.checksums import hash_record_path
from zoo.weights.weights_cache import WeightsFile

_MAX_TRUNK_FILE_BYTES: Final = dict(zip(TRUNK_FILES, (2 << 30, 1 << 20, 256 << 20), strict=True))


def validate_pack_index(index: PackIndex, pack_name: str) -> list[Backbone]:
    """Return the backbones of a pack if all of its files may enter the cache; `pack_name` is named in errors.

    Raises:
        HashMismatch: the hash of a file differs from that in the catalog, in graft.lock or in this cache's records.
        WeightsError: the pack holds files that this Graft does not know, or lacks some that it needs.
    """
    remaining = {entry.path: entry for entry in index.files}
    if len(remaining) < len(index.files):
        raise WeightsError(f"{pack_name} holds a file twice. Pack it once more. Nothing of it was kept.")
    backbones = [_require_backbone(name, pack_name) for name in index.backbones]
    for backbone in backbones:
        entries = [
            _take_weights_entry(backbone, file, remaining, pack_name) for file in weights_cache.weights_files(backbone)
        ]
        weights_sha256 = str(weights_cache.combine_hashes(entry.sha256 for entry in entries))
        for precision in Precision:
            key = trunk_cache.trunk_key(backbone, weights_sha256, precision)
            _take_trunk_entries(f"trunks/{key}", remaining, pack_name)
    if remaining:
        raise WeightsError(
            f"{pack_name} holds {next(iter(remaining))!r}, which this Graft has no use for: was it packed by another "
            "version, or with a trunk of other weights? Use the same Graft on both machines. Nothing of it was kept."
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
    backbone: Backbone, file: WeightsFile, remaining: dict[str, PackEntry], pack_name: str
) -> PackEntry:
    """Check the entry of one weights file and remove it from `remaining`."""
    path = f"weights/{backbone.name}/{file.path.relative_to(weights_cache.weights_folder(backbone)).as_posix()}"
    entry = remaining.pop(path, None)
    if entry is None:
        raise WeightsError(f"{pack_name} lacks {path!r}. Pack it once more. Nothing of it was kept.")
    if not 0 < entry.bytes <= backbone.max_file_bytes:
        raise WeightsError(
            f"{pack_name}: {path!r} has {entry.bytes:,} bytes; at most {backbone.max_file_bytes:,} were expected."
        )
    for source, sha256, override_hint in _iter_expected_hashes(file):
        if sha256 and sha256 != entry.sha256:
            raise HashMismatch(
                f"{pack_name}: {path!r} has SHA-256 {entry.sha256}; {source} says {sha256}. "
                f"Nothing of it was kept.{override_hint}"
            )
    return entry


def _iter_expected_hashes(file: WeightsFile) -> Iterator[tuple[str, str | None, str]]:
    """Yield each source of an expected SHA-256: its name, the hash, and how to accept another one on purpose."""
    lock, record = lockfile.find_lockfile(), hash_record_path(file.path)
    yield "the catalog", file.catalog_sha256, ""
    yield str(lock), file.lockfile_sha256, f" To take it on purpose, first remove the entry from {lock}."
    yield str(record), file.record_sha256, f" To take it on purpose, first delete {record}."


def _take_trunk_entries(folder: str, remaining: dict[str, PackEntry], pack_name: str) -> None:
    """Check the entries of the trunk in `folder`, if there are any, and remove them from `remaining`."""
    for name, max_bytes in _MAX_TRUNK_FILE_BYTES.items():
        entry = remaining.pop(f"{folder}/{name}", None)
        if entry is not None and not 0 < entry.bytes <= max_bytes:
            raise WeightsError(
                f"{pack_name}: {entry.path!r} has {entry.bytes:,} bytes; a trunk's may have {max_bytes:,}."
            )
