"""Many backbones fetched and built one after the other: one that fails stops none of the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from zoo import lockfile, trunk_cache, weights
from zoo.backbone import Backbone, Precision, catalog
from zoo.dead_hosts import waited_for_once
from zoo.errors import GraftError, HashMismatch, UnknownBackbone
from zoo.lockfile import Locked
from zoo.possible import reason_against
from zoo.progress import Progress
from zoo.remote import origin_of
from zoo.trunk_cache import CachedTrunk
from zoo.trust import origins


@dataclass(frozen=True, slots=True)
class Failed:
    """A backbone that could not be had, and why."""

    name: str
    error: GraftError


def all_of(library: str) -> tuple[tuple[Backbone, ...], dict[str, str]]:
    """Return every backbone of a library, such as keras.applications; and those left out, by name, with the reason.

    Left out is what no trunk can be made of: weights that nothing here can use are many gigabytes of those.

    Raises:
        UnknownBackbone: no backbone is of that library.
    """
    found = tuple(backbone for backbone in catalog() if backbone.library == library)
    if not found:
        known = ", ".join(sorted({backbone.library for backbone in catalog()}))
        raise UnknownBackbone(f"no backbone is of {library!r}. There are: {known}.")
    against = {backbone.name: reason for backbone in found if (reason := reason_against(backbone))}
    return tuple(backbone for backbone in found if backbone.name not in against), against


def to_come(backbones: Sequence[Backbone]) -> str:
    """Say how much is to be downloaded for what is not here yet."""
    missing = [backbone for backbone in backbones if not all(part.path.is_file() for part in weights.parts(backbone))]
    known = [backbone.megabytes for backbone in missing if backbone.megabytes]
    unknown = len(missing) - len(known)
    also = f", and {unknown} of unknown size" if unknown else ""
    return f"{len(backbones)} backbones; {len(missing)} to download, {sum(known):,.1f} MB{also}"


def pulled(backbone: Backbone, precision: Precision | None, progress: Progress) -> CachedTrunk | None:
    """Fetch the weights of a backbone, build its trunk in `precision`, None being neither; keep the lock file.

    Raises:
        GraftError: something failed; the message says what.
    """
    found = None
    if precision is None:
        weights.fetch(backbone, progress)
    else:
        found = trunk_cache.ensure(backbone, precision, progress)
    if lockfile.place():
        weights.fetch(backbone, progress)  # a trunk can be here without them
        keep_lock(backbone)
    return found


def keep_lock(backbone: Backbone) -> None:
    """Put what was fetched for a backbone into the lock file, where there is one: each file under its own name.

    Raises:
        HashMismatch: a file is damaged, or the lock file says otherwise.
        WeightsError: it cannot be read or written.
    """
    if (lock := lockfile.place()) is None:
        return
    files = {}
    for (file, origin), part in zip(origins(backbone).items(), weights.parts(backbone), strict=True):
        if not part.is_whole():
            raise HashMismatch(f"{part.path} is damaged. Fetch it again: zoo pull {backbone.name}")
        files[file] = Locked(str(part.sha256), part.path.stat().st_size, origin)
    for part in weights.beside(backbone):
        if not part.is_whole():
            raise HashMismatch(f"{part.path} is damaged, or not what {lock} says. Delete it.")
        files[part.path.name] = Locked(str(part.sha256), part.path.stat().st_size, origin_of(part.path))
    lockfile.record(lock, backbone.name, files)


def each(backbones: Sequence[Backbone], pull: Callable[[Backbone], None]) -> list[Failed]:
    """Go through all, and return the ones whose `pull` fails; a host that cannot be reached is waited for once."""
    failed: list[Failed] = []
    with waited_for_once():
        for backbone in backbones:
            try:
                pull(backbone)
            except GraftError as error:
                failed.append(Failed(backbone.name, error))
    return failed
