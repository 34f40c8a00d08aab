"""What is cached, hashed once more and compared with what is on record, and with graft.lock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from graft.progress import Progress, ProgressBar, SilentProgress
from graft.storage.atomic_file import file_sha256
from zoo.catalog.backbone import Backbone
from zoo.catalog.find import all_backbones_with_unlisted
from zoo.trunks import trunk_cache
from zoo.trunks.trunk_cache import CachedTrunk
from zoo.weights import lockfile, weights_cache
from zoo.weights.checksums import hash_policy
from zoo.weights.lockfile import Lockfile

_PROGRESS_MIN_BYTES = 200_000_000  # bytes; hashing them takes long enough to be told


class FileState(StrEnum):
    """What became of a file."""

    FINE = "fine"
    DAMAGED = "damaged"  # its bytes are not the recorded ones
    DIFFERS = "differs"  # they are, but graft.lock has others


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """One cached file."""

    kind: str  # "weights", "fp32 trunk", "int8 trunk"
    name: str  # of the backbone
    path: str
    state: FileState
    trust: str  # what weights are held to: "pinned", "locked", "unpinned"; "built" is a trunk

    @property
    def is_intact(self) -> bool:
        """Say whether nothing is wrong with it."""
        return self.state is FileState.FINE


def verify_cached(backbones: Sequence[Backbone] = (), progress: Progress | None = None) -> list[VerifyResult]:
    """Hash the cached weights and trunks of `backbones`; of every one, where none is named.

    Raises:
        WeightsError: the lock file cannot be read.
    """
    selected, lock = backbones or all_backbones_with_unlisted(), lockfile.read_lockfile()
    names = {backbone.name for backbone in selected}
    parts = [
        (b, p)
        for b in selected
        for p in (*weights_cache.weights_files(b), *weights_cache.extra_weights_files(b))
        if p.path.is_file()
    ]
    trunks = [found for found in trunk_cache.iter_cached_trunks() if not backbones or found.facts["backbone"] in names]
    total = sum(part.path.stat().st_size for _, part in parts) + sum(map(_trunk_bytes, trunks))
    reporter = (progress if total > _PROGRESS_MIN_BYTES else None) or SilentProgress()
    with reporter.bar("hashing", total, "B") as bar:
        checked = [_verify_weights(backbone, part, lock, bar) for backbone, part in parts]
        built = [_verify_trunk(found, bar) for found in trunks]
    return [*checked, *sorted(built, key=lambda item: (item.name, item.kind, item.path))]


def _verify_weights(
    backbone: Backbone, file: weights_cache.WeightsFile, lock: Lockfile | None, bar: ProgressBar
) -> VerifyResult:
    found = file_sha256(file.path)
    bar.advance(file.path.stat().st_size)
    if found != (file.catalog_sha256 or file.record_sha256):
        state = FileState.DAMAGED
    else:
        state = FileState.DIFFERS if file.lockfile_sha256 and found != file.lockfile_sha256 else FileState.FINE
    return VerifyResult("weights", backbone.name, str(file.path), state, str(hash_policy(backbone, lock)))


def _verify_trunk(found: CachedTrunk, bar: ProgressBar) -> VerifyResult:
    state = FileState.FINE if found.is_intact() else FileState.DAMAGED
    bar.advance(_trunk_bytes(found))
    return VerifyResult(
        f"{found.facts['precision']} trunk", str(found.facts["backbone"]), str(found.path), state, "built"
    )


def _trunk_bytes(found: CachedTrunk) -> int:
    return found.path.stat().st_size if found.path.is_file() else 0
