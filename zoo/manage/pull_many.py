"""Many backbones fetched and built one after the other: one that fails stops none of the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from graft.errors import GraftError, UnknownBackbone
from graft.progress import Progress
from zoo.catalog.backbone import Backbone, Precision, unsupported_reason
from zoo.catalog.find import all_backbones
from zoo.trunks import trunk_cache
from zoo.trunks.trunk_cache import CachedTrunk
from zoo.weights import lockfile, weights_cache
from zoo.weights.dead_hosts import fail_fast_on_dead_hosts
from zoo.weights.weights_cache import record_in_lockfile


@dataclass(frozen=True, slots=True)
class PullFailure:
    """A backbone that could not be had, and why."""

    name: str
    error: GraftError


def select_library(library: str) -> tuple[tuple[Backbone, ...], dict[str, str]]:
    """Return every backbone of a library, such as keras.applications; and those left out, by name, with the reason.

    Left out is what no trunk can be made of: weights that nothing here can use are many gigabytes of those.

    Raises:
        UnknownBackbone: no backbone is of that library.
    """
    found = tuple(backbone for backbone in all_backbones() if backbone.library == library)
    if not found:
        known = ", ".join(sorted({backbone.library for backbone in all_backbones()}))
        raise UnknownBackbone(f"no backbone is of {library!r}. There are: {known}.")
    reasons = {backbone.name: reason for backbone in found if (reason := unsupported_reason(backbone))}
    return tuple(backbone for backbone in found if backbone.name not in reasons), reasons


def download_summary(backbones: Sequence[Backbone]) -> str:
    """Say how much is to be downloaded for what is not here yet."""
    missing = [
        backbone
        for backbone in backbones
        if not all(part.path.is_file() for part in weights_cache.weights_files(backbone))
    ]
    known = [backbone.megabytes for backbone in missing if backbone.megabytes]
    unknown = len(missing) - len(known)
    also = f", and {unknown} of unknown size" if unknown else ""
    return f"{len(backbones)} backbones; {len(missing)} to download, {sum(known):,.1f} MB{also}"


def pull_one(backbone: Backbone, precision: Precision | None, progress: Progress) -> CachedTrunk | None:
    """Fetch the weights of a backbone, build its trunk in `precision`, None being neither; keep the lock file.

    Raises:
        GraftError: something failed; the message says what.
    """
    found = None
    if precision is None:
        weights_cache.fetch_weights(backbone, progress)
    else:
        found = trunk_cache.ensure_trunk(backbone, precision, progress)
    if lockfile.find_lockfile():
        weights_cache.fetch_weights(backbone, progress)  # a trunk can be here without them
        record_in_lockfile(backbone)
    return found


def pull_many(backbones: Sequence[Backbone], pull: Callable[[Backbone], None]) -> list[PullFailure]:
    """Go through all, and return the ones whose `pull` fails; a host that cannot be reached is waited for once."""
    failures: list[PullFailure] = []
    with fail_fast_on_dead_hosts():
        for backbone in backbones:
            try:
                pull(backbone)
            except GraftError as error:
                failures.append(PullFailure(backbone.name, error))
    return failures
