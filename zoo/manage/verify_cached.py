"""Verify the cache: hash cached weights and trunks again, and compare with their records and with graft.lock."""

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

_PROGRESS_MIN_BYTES = 200_000_000  # bytes; hashing more than that shows a progress bar


class FileState(StrEnum):
    """Result of verifying a file."""

    FINE = "fine"
    DAMAGED = "damaged"  # its hash is not the recorded one
    DIFFERS = "differs"  # its hash is the recorded one, but graft.lock has another


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """One cached file."""

    kind: str  # "weights", "fp32 trunk", "int8 trunk"
    name: str  # of the backbone
    path: str
    state: FileState
    trust: str  # hash policy of weights: "pinned", "locked", "unpinned"; "built" for a trunk

    @property
    def is_intact(self) -> bool:
        """Say whether the file is as it should be."""
        return self.state is FileState.FINE


def verify_cached(backbones: Sequence[Backbone] = (), progress: Progress | None = None) -> list[VerifyResult]:
    """Hash the cached weights and trunks of `backbones`, or of all backbones if none is given, and return the results.

    Raises:
        WeightsError: the lock file cannot be read.
    """
    selected, lock = backbones or all_backbones_with_unlisted(), lockfile.read_lockfile()
    names = {backbone.name for backbone in selected}
    files = [
        (backbone, file)
        for backbone in selected
        for file in (*weights_cache.weights_files(backbone), *weights_cache.extra_weights_files(backbone))
        if file.path.is_file()
    ]
    trunks = [trunk for trunk in trunk_cache.iter_cached_trunks() if not backbones or trunk.facts["backbone"] in names]
    total_bytes = sum(file.path.stat().st_size for _, file in files) + sum(map(_trunk_bytes, trunks))
    reporter = (progress if total_bytes > _PROGRESS_MIN_BYTES else None) or SilentProgress()
    with reporter.bar("hashing", total_bytes, "B") as bar:
        weights_results = [_verify_weights(backbone, file, lock, bar) for backbone, file in files]
        trunk_results = [_verify_trunk(trunk, bar) for trunk in trunks]
    return [*weights_results, *sorted(trunk_results, key=lambda result: (result.name, result.kind, result.path))]


def _verify_weights(
    backbone: Backbone, file: weights_cache.WeightsFile, lock: Lockfile | None, bar: ProgressBar
) -> VerifyResult:
    sha256 = file_sha256(file.path)
    bar.advance(file.path.stat().st_size)
    if sha256 != (file.catalog_sha256 or file.record_sha256):
        state = FileState.DAMAGED
    else:
        state = FileState.DIFFERS if file.lockfile_sha256 and sha256 != file.lockfile_sha256 else FileState.FINE
    return VerifyResult("weights", backbone.name, str(file.path), state, str(hash_policy(backbone, lock)))


def _verify_trunk(trunk: CachedTrunk, bar: ProgressBar) -> VerifyResult:
    state = FileState.FINE if trunk.is_intact() else FileState.DAMAGED
    bar.advance(_trunk_bytes(trunk))
    kind, name = f"{trunk.facts['precision']} trunk", str(trunk.facts["backbone"])
    return VerifyResult(kind, name, str(trunk.path), state, "built")


def _trunk_bytes(trunk: CachedTrunk) -> int:
    return trunk.path.stat().st_size if trunk.path.is_file() else 0
