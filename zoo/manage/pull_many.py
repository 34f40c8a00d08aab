"""Pull many backbones: download and build one after the other; a failure does not stop the others."""

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
    """A backbone that could not be pulled, and its error."""

    name: str
    error: GraftError


def select_library(library: str) -> tuple[tuple[Backbone, ...], dict[str, str]]:
    """Return the backbones of a library, such as keras.applications, and the reason for each one left out, by name.

    Backbones that no trunk can be built of are left out: their weights would be many gigabytes of no use.

    Raises:
        UnknownBackbone: no backbone is of that library; the message names the libraries.
    """
    backbones = tuple(backbone for backbone in all_backbones() if backbone.library == library)
    if not backbones:
        libraries = ", ".join(sorted({backbone.library for backbone in all_backbones()}))
        raise UnknownBackbone(f"no backbone is of {library!r}. There are: {libraries}.")
    reasons = {backbone.name: reason for backbone in backbones if (reason := unsupported_reason(backbone))}
    return tuple(backbone for backbone in backbones if backbone.name not in reasons), reasons


def download_summary(backbones: Sequence[Backbone]) -> str:
    """Return a line that says how many of `backbones` must be downloaded, and how many megabytes that is."""
    missing = [
        backbone
        for backbone in backbones
        if not all(file.path.is_file() for file in weights_cache.weights_files(backbone))
    ]
    megabytes = [backbone.megabytes for backbone in missing if backbone.megabytes]
    unknown = len(missing) - len(megabytes)
    unknown_note = f", and {unknown} of unknown size" if unknown else ""
    return f"{len(backbones)} backbones; {len(missing)} to download, {sum(megabytes):,.1f} MB{unknown_note}"


def pull_one(backbone: Backbone, precision: Precision | None, progress: Progress) -> CachedTrunk | None:
    """Fetch the weights of a backbone, build its trunk in `precision` unless that is None, and update the lock file.

    Raises:
        GraftError: one of these failed; the message says which and why.
    """
    trunk = None
    if precision is None:
        weights_cache.fetch_weights(backbone, progress)
    else:
        trunk = trunk_cache.ensure_trunk(backbone, precision, progress)
    if lockfile.find_lockfile():
        weights_cache.fetch_weights(backbone, progress)  # a trunk may be cached without its weights
        record_in_lockfile(backbone)
    return trunk


def pull_many(backbones: Sequence[Backbone], pull: Callable[[Backbone], None]) -> list[PullFailure]:
    """Call `pull` for each backbone and return the failures; a host that cannot be reached is waited for only once."""
    failures: list[PullFailure] = []
    with fail_fast_on_dead_hosts():
        for backbone in backbones:
            try:
                pull(backbone)
            except GraftError as error:
                failures.append(PullFailure(backbone.name, error))
    return failures
