"""Pretrained weights: fetched, verified, cached; shared by processes under a lock.

    CACHE/weights/NAME/FILE         the weights, exactly as published
                       FILE.json    where they came from, their SHA-256 and size

Settings:
    GRAFT_OFFLINE=1     no socket is opened; what is not cached is an error that says what to do
    GRAFT_MIRROR=URL    every download comes from there: files at URL/<host>/<path of the original
                        address>, wheels at URL/wheels/<file name of the wheel>

Weights without a published SHA-256 are trusted on first use: their hash is recorded, and every
later fetch must repeat it. An MD5 that the publisher gives is checked besides.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from zoo import wheels
from zoo.backbone import Backbone, FileSource, WheelSource
from zoo.errors import HashMismatch, Offline, WeightsError
from zoo.files import cache_root, locked, sha256_of, sync_folder, write_whole
from zoo.progress import Progress, Silence


def fetch(backbone: Backbone, progress: Progress | None = None) -> Path:
    """Return the verified weights of `backbone`, fetched first where the cache has none.

    Raises:
        Offline: they are not cached, and GRAFT_OFFLINE is set.
        DownloadFailed: the network, the server or pip failed.
        HashMismatch: the bytes are not the promised ones.
        MissingExtra: they come in a wheel, and pip is not installed.
        WeightsError: the cache cannot be written.
    """
    progress = progress or Silence()
    path = path_of(backbone)
    try:
        with locked(path):
            if not _is_whole(path, backbone, progress):
                _fetched(backbone, path, progress)
    except OSError as fault:
        raise WeightsError(
            f"{path} cannot be written ({fault.strerror}). Free some space, or set GRAFT_CACHE to another folder."
        ) from None
    return path


def path_of(backbone: Backbone) -> Path:
    """Return where the weights of `backbone` are, or would be."""
    source = backbone.source
    name = source.member if isinstance(source, WheelSource) else source.url
    return cache_root() / "weights" / backbone.name / name.rpartition("/")[2]


def known_hash(backbone: Backbone) -> str | None:
    """Return the SHA-256 that the weights must have: pinned, or recorded at the first fetch; else None."""
    source = backbone.source
    if isinstance(source, WheelSource):
        return source.member_sha256
    return source.sha256 or _recorded(path_of(backbone))


def ensure_hash(backbone: Backbone, progress: Progress) -> str:
    """Return the SHA-256 of the weights; they are fetched only where nothing else tells it."""
    return known_hash(backbone) or sha256_of(fetch(backbone, progress))


def address(source: FileSource | WheelSource) -> str | None:
    """Return where our own downloader finds `source`; None where pip is to fetch it."""
    mirror = os.environ.get("GRAFT_MIRROR", "").rstrip("/")
    if isinstance(source, WheelSource):
        return f"{mirror}/wheels/{source.filename}" if mirror else None
    parts = urlsplit(source.url)
    return f"{mirror}/{parts.netloc}{parts.path}" if mirror else source.url


def _is_whole(path: Path, backbone: Backbone, progress: Progress) -> bool:
    if not path.is_file():
        return False
    if sha256_of(path) == known_hash(backbone):
        return True
    progress.say(f"{path} is damaged; it is fetched again.")
    return False


def _fetched(backbone: Backbone, path: Path, progress: Progress) -> None:
    if os.environ.get("GRAFT_OFFLINE", "0") not in ("", "0"):
        raise Offline(
            f"the weights of {backbone.name} are not in the cache ({path}), and GRAFT_OFFLINE is set. "
            f"Unset it and run `zoo pull {backbone.name}`, or copy the whole cache of a machine that has them."
        )
    if isinstance(backbone.source, WheelSource):
        _fetch_wheel(backbone.source, path, _cap(backbone), progress)
    else:
        _fetch_file(backbone, backbone.source, path, progress)


def _fetch_file(backbone: Backbone, source: FileSource, path: Path, progress: Progress) -> None:
    url = address(source) or source.url

    def check(file: Path) -> None:
        _check_hash(file, known_hash(backbone), url, record_of(path))
        if source.md5:
            _check_md5(file, source.md5, url)
        # Before the file has its name: weights without a record would be fetched again.
        facts = {"url": source.url, "sha256": sha256_of(file), "bytes": file.stat().st_size}
        write_whole(record_of(path), (json.dumps(facts, indent=2) + "\n").encode())

    _download(url, path, _cap(backbone), check, progress)


def _fetch_wheel(source: WheelSource, path: Path, cap: int, progress: Progress) -> None:
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=path.parent) as scratch:
        if url := address(source):
            wheel = path.parent / source.filename
            _download(url, wheel, cap, lambda file: _check_hash(file, source.sha256, url, None), progress)
        else:
            with progress.bar(f"fetching {source.filename} by pip ({cap / 2e6:.0f} MB)", None):
                wheel = wheels.download(source, Path(scratch))
        wheels.extract(wheel, source, Path(scratch)).replace(path)
        wheel.unlink()
    sync_folder(path.parent)


def record_of(path: Path) -> Path:
    """Return where the hash of trusted weights is recorded."""
    return path.with_name(path.name + ".json")


def _recorded(path: Path) -> str | None:
    try:
        return str(json.loads(record_of(path).read_bytes())["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _cap(backbone: Backbone) -> int:
    """Return how many bytes are taken at most: twice what the catalog says."""
    return int(backbone.megabytes * 2e6)


def _download(url: str, path: Path, cap: int, check: Callable[[Path], None], progress: Progress) -> None:
    """Fetch one file; the HTTP client is loaded only here, because most runs fetch nothing."""
    from zoo.download import Wanted, download

    download(Wanted(url, cap, check), path, progress)


def _check_hash(file: Path, promised: str | None, url: str, record: Path | None) -> None:
    found = sha256_of(file)
    if promised and found != promised:
        trust = f" If the publisher has changed it on purpose, delete {record}." if record and record.is_file() else ""
        raise HashMismatch(
            f"{url} gave bytes with SHA-256 {found}; promised is {promised}. They were thrown away; "
            f"try again, or ask whoever runs the mirror.{trust}"
        )


def _check_md5(file: Path, promised: str, url: str) -> None:
    with file.open("rb") as data:
        found = hashlib.file_digest(data, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found != promised:
        raise HashMismatch(
            f"{url} gave bytes with MD5 {found}; promised is {promised}. They were thrown away; "
            "try again, or ask whoever runs the mirror."
        )
