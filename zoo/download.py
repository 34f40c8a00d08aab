"""One file over HTTP, resumed where it was cut, never passed unless it is whole and verified.

A part is continued only if the server confirms that it still has the version of the file that the
part begins (RFC 9110, sections 13.1.5 and 14.2); else the download starts over. The caller holds the
lock of the file.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx2

from zoo.errors import DownloadFailed, WeightsError
from zoo.partial import Part
from zoo.progress import Bar, Progress

_TIMEOUT: Final = httpx2.Timeout(30.0, connect=10.0)  # seconds; 30 without a byte is a stall
_PAUSES: Final = (0.5, 2.0, 5.0)  # seconds before the second, third and fourth attempt
_PROXIES: Final = ("http_proxy", "https_proxy", "all_proxy")
_PASSING: Final = (408, 425, 429, 500, 502, 503, 504)


class _Cut(Exception):
    """The transfer broke off; what has arrived is kept and continued."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be fetched: from where, at most how many bytes, and `check`, which raises HashMismatch."""

    url: str
    cap: int
    check: Callable[[Path], None]


def download(wanted: Wanted, path: Path, progress: Progress) -> None:
    """Put the file behind `wanted.url` at `path`, verified, or leave what was there untouched.

    Raises:
        DownloadFailed: the network or the server failed, or what it sent is no such file.
        HashMismatch: all bytes came, but not the promised ones.
        OSError: the folder cannot be written.
    """
    part = Part(path)
    if _transferred(wanted, part, progress) and not _passes(wanted, part):
        part.drop()  # its beginning was from an earlier day: perhaps only that is wrong
        _transferred(wanted, part, progress)
    try:
        _verify(wanted, part)
    except WeightsError:
        part.drop()
        raise
    part.become(path)


def _transferred(wanted: Wanted, part: Part, progress: Progress) -> bool:
    """Let all bytes arrive in `part`, over as many attempts as it takes; True if it had a beginning already."""
    resumed = part.size() > 0 and part.validator(wanted.url) is not None
    for pause in (*_PAUSES, None):
        try:
            _attempt(wanted, part, progress)
        except (_Cut, httpx2.TransportError) as fault:
            if pause is None:
                raise DownloadFailed(
                    f"{wanted.url} could not be fetched in {len(_PAUSES) + 1} attempts "
                    f"({str(fault) or type(fault).__name__}). Run the same again to continue after the "
                    f"{part.size():,} bytes that are kept. {_through()}No network here? Set GRAFT_MIRROR, or pack the "
                    "weights on a machine that has them: zoo bundle-weights, then zoo load."
                ) from None
            time.sleep(pause)
        except (httpx2.HTTPError, httpx2.InvalidURL) as fault:
            raise DownloadFailed(f"{wanted.url} cannot be fetched ({fault}). Check GRAFT_MIRROR.") from None
        else:
            break
    return resumed


def _verify(wanted: Wanted, part: Part) -> None:
    if not part.has_right_beginning():
        page = "a web page" if part.is_page() else "something else"
        raise DownloadFailed(
            f"{wanted.url} gave {page} instead of {part.name}. Is a proxy or a log-in page in between? "
            "Fetch it by another way, or set GRAFT_MIRROR."
        )
    wanted.check(part.path)


def _passes(wanted: Wanted, part: Part) -> bool:
    try:
        _verify(wanted, part)
    except WeightsError:
        return False
    return True


def _attempt(wanted: Wanted, part: Part, progress: Progress) -> None:
    validator = part.validator(wanted.url)
    have = part.size() if validator else 0
    headers = {"Accept-Encoding": "identity"}
    if have and validator:
        headers |= {"Range": f"bytes={have}-", "If-Range": validator}
    with (
        _client() as client,
        client.stream("GET", wanted.url, headers=headers) as response,
    ):
        _check_answer(wanted, response)
        if response.status_code == 416:
            part.drop()
            raise _Cut("the part does not fit the file any more")
        if response.status_code != 206 or not _continues(response, have, validator):
            part.begin(wanted.url, _validator(response))
            if response.status_code == 206:
                raise _Cut("the server sent another piece than was asked for")
        total = _total(response)
        if total is not None and total > wanted.cap:
            part.drop()
            raise DownloadFailed(f"{wanted.url} promises {total:,} bytes; at most {wanted.cap:,} were expected.")
        with progress.bar(f"fetching {part.name}", total, "B") as bar:
            bar.advance(part.size())
            _receive(wanted, response, part, bar)
    if total is not None and part.size() != total:
        if part.size() > total:
            part.drop()
        raise _Cut(f"{part.size():,} of {total:,} bytes came")


def _client() -> httpx2.Client:
    """Return a client that heeds the proxy settings."""
    try:
        return httpx2.Client(timeout=_TIMEOUT, follow_redirects=True)
    except (ValueError, ImportError) as fault:
        raise DownloadFailed(f"the proxy settings cannot be used ({fault}). {_through()}") from None


def _through() -> str:
    """Name the proxy settings there are; not what they say, which may hold a password."""
    names = ", ".join(name for name in os.environ if name.lower() in _PROXIES and os.environ[name])
    return f"Is {names} right? NO_PROXY exempts hosts. " if names else ""


def _receive(wanted: Wanted, response: httpx2.Response, part: Part, bar: Bar) -> None:
    size = part.size()
    with part.path.open("ab") as file:
        for block in response.iter_raw():
            size += len(block)
            if size > wanted.cap:
                break
            file.write(block)
            bar.advance(len(block))
    if size > wanted.cap:
        part.drop()
        raise DownloadFailed(f"{wanted.url} sent more than the {wanted.cap:,} bytes that were expected at most.")


def _check_answer(wanted: Wanted, response: httpx2.Response) -> None:
    """Refuse what cannot be the file, before a byte of it is kept."""
    if response.status_code in _PASSING:
        raise _Cut(f"the server says {response.status_code} {response.reason_phrase}")
    if response.status_code not in (200, 206, 416):
        refused = DownloadFailed(
            f"{wanted.url}: the server says {response.status_code} {response.reason_phrase}. "
            "Has the file moved? Fetch it by another way, or set GRAFT_MIRROR."
        )
        refused.status = response.status_code
        raise refused
    if wanted.url.startswith("https:") and response.url.scheme != "https":
        raise DownloadFailed(f"{wanted.url} leads to {response.url}, which is not encrypted; that is refused.")
    if response.headers.get("content-encoding", "identity") != "identity":
        raise DownloadFailed(f"{wanted.url} came compressed though that was not asked for; set GRAFT_MIRROR.")


def _continues(response: httpx2.Response, have: int, validator: str | None) -> bool:
    """Say whether a 206 is the rest of the very file that the part begins."""
    begins = response.headers.get("content-range", "").startswith(f"bytes {have}-")
    return begins and have > 0 and _validator(response) in (validator, None)


def _validator(response: httpx2.Response) -> str | None:
    """Return what names this version of the file: a strong ETag, else the date of its last change."""
    etag = response.headers.get("etag", "")
    if etag and not etag.startswith("W/"):
        return str(etag)
    return response.headers.get("last-modified")


def _total(response: httpx2.Response) -> int | None:
    """Return how many bytes the whole file has, where the server says so."""
    if response.status_code == 206:
        said = response.headers.get("content-range", "").rpartition("/")[2]
    else:
        said = response.headers.get("content-length", "")
    return int(said) if said.isdigit() else None
