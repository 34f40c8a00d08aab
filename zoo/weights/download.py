"""One file over HTTP, resumed where it was cut, never passed unless it is whole and verified.

A part is continued only if the server confirms that it still has the version of the file that the
part begins (RFC 9110, sections 13.1.5 and 14.2); else the download starts over. The caller holds the
lock of the file.

What the headers of a server's answer say of a file: which version it is, how long, and whether it goes on.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx2

from graft.errors import DownloadFailed, WeightsError
from graft.progress import Progress, ProgressBar
from zoo.weights.dead_hosts import record_dead_host, require_live_host
from zoo.weights.partial_file import PartialFile

_HTTP_TIMEOUT: Final = httpx2.Timeout(30.0, connect=10.0)  # seconds; 30 without a byte is a stall


_RETRY_DELAYS: Final = (0.5, 2.0, 5.0)  # seconds before the second, third and fourth attempt


_PROXY_VARIABLES: Final = ("http_proxy", "https_proxy", "all_proxy")


_CONNECT_ERRORS: Final = (httpx2.ConnectError, httpx2.ConnectTimeout)


_RETRYABLE_STATUSES: Final = (408, 425, 429, 500, 502, 503, 504)


ResponseHeaders = Mapping[str, str]  # by their names in lower case


class _RetryableError(Exception):
    """The transfer broke off; what has arrived is kept and continued."""


@dataclass(frozen=True, slots=True)
class DownloadRequest:
    """What is to be fetched: from where, at most how many bytes, and `verify`, which raises HashMismatch."""

    url: str
    max_bytes: int
    verify: Callable[[Path], None]


def download_file(request: DownloadRequest, path: Path, progress: Progress) -> None:
    """Put the file behind `request.url` at `path`, verified, or leave what was there untouched.

    Raises:
        DownloadFailed: the network or the server failed, or what it sent is no such file.
        HashMismatch: all bytes came, but not the promised ones.
        OSError: the folder cannot be written.
    """
    part = PartialFile(path)
    if _transfer(request, part, progress) and not _is_valid(request, part):
        part.discard()  # its beginning was from an earlier day: perhaps only that is wrong
        _transfer(request, part, progress)
    try:
        _verify(request, part)
    except WeightsError:
        part.discard()
        raise
    part.rename_to(path)


def _transfer(request: DownloadRequest, part: PartialFile, progress: Progress) -> bool:
    """Let all bytes arrive in `part`, over as many attempts as it takes; True if it had a beginning already."""
    require_live_host(request.url)
    resumed = part.size() > 0 and part.read_validator(request.url) is not None
    for pause in (*_RETRY_DELAYS, None):
        try:
            _transfer_once(request, part, progress)
        except (httpx2.UnsupportedProtocol, httpx2.InvalidURL) as fault:
            raise DownloadFailed(
                f"{request.url} is no address that can be fetched ({fault}). GRAFT_MIRROR is an address that begins "
                "with https:// or http://."
            ) from None
        except (_RetryableError, httpx2.TransportError) as fault:
            if pause is None:
                raise _final_error(request.url, part, fault) from None
            time.sleep(pause)
        except httpx2.HTTPError as fault:
            raise DownloadFailed(f"{request.url} cannot be fetched ({fault}). Check GRAFT_MIRROR.") from None
        else:
            break
    return resumed


def _final_error(url: str, part: PartialFile, fault: Exception) -> DownloadFailed:
    """Return what is said after the last attempt; a host that was never reached is remembered."""
    reason = str(fault) or type(fault).__name__
    if isinstance(fault, _CONNECT_ERRORS):
        record_dead_host(url, reason)
    resume_hint = (
        f"Run the same again to continue after the {part.size():,} bytes that are kept. " if part.size() else ""
    )
    return DownloadFailed(
        f"{url} could not be fetched in {len(_RETRY_DELAYS) + 1} attempts ({reason}). {resume_hint}{_proxy_hint()}No network here? Set "
        "GRAFT_MIRROR, or pack the weights on a machine that has them: zoo bundle-weights, then zoo load."
    )


def _verify(request: DownloadRequest, part: PartialFile) -> None:
    if not part.has_expected_magic():
        page = "a web page" if part.is_web_page() else "something else"
        raise DownloadFailed(
            f"{request.url} gave {page} instead of {part.name}. Is a proxy or a log-in page in between? "
            "Fetch it by another way, or set GRAFT_MIRROR."
        )
    request.verify(part.path)


def _is_valid(request: DownloadRequest, part: PartialFile) -> bool:
    try:
        _verify(request, part)
    except WeightsError:
        return False
    return True


def _transfer_once(request: DownloadRequest, part: PartialFile, progress: Progress) -> None:
    stored_validator = part.read_validator(request.url)
    offset = part.size() if stored_validator else 0
    headers = {"Accept-Encoding": "identity"}
    if offset and stored_validator:
        headers |= {"Range": f"bytes={offset}-", "If-Range": stored_validator}
    with (
        _open_client() as client,
        client.stream("GET", request.url, headers=headers) as response,
    ):
        _check_response(request, response)
        if response.status_code == 416:
            part.discard()
            raise _RetryableError("the part does not fit the file any more")
        if response.status_code != 206 or not is_continuation(response.headers, offset, stored_validator):
            part.restart(request.url, response_validator(response.headers))
            if response.status_code == 206:
                raise _RetryableError("the server sent another piece than was asked for")
        expected_bytes = total_file_bytes(response.headers, response.status_code)
        if expected_bytes is not None and expected_bytes > request.max_bytes:
            part.discard()
            raise DownloadFailed(
                f"{request.url} promises {expected_bytes:,} bytes; at most {request.max_bytes:,} were expected."
            )
        with progress.bar(f"fetching {part.name}", expected_bytes, "B") as bar:
            bar.advance(part.size())
            _receive_body(request, response, part, bar)
    if expected_bytes is not None and part.size() != expected_bytes:
        if part.size() > expected_bytes:
            part.discard()
        raise _RetryableError(f"{part.size():,} of {expected_bytes:,} bytes came")


def _open_client() -> httpx2.Client:
    """Return a client that heeds the proxy settings."""
    try:
        return httpx2.Client(timeout=_HTTP_TIMEOUT, follow_redirects=True)
    except (ValueError, ImportError) as fault:
        raise DownloadFailed(f"the proxy settings cannot be used ({fault}). {_proxy_hint()}") from None


def _proxy_hint() -> str:
    """Name the proxy settings there are; not what they say, which may hold a password."""
    names = ", ".join(name for name in os.environ if name.lower() in _PROXY_VARIABLES and os.environ[name])
    return f"Is {names} right? NO_PROXY exempts hosts. " if names else ""


def _receive_body(request: DownloadRequest, response: httpx2.Response, part: PartialFile, bar: ProgressBar) -> None:
    size = part.size()
    with part.path.open("ab") as file:
        for block in response.iter_raw():
            size += len(block)
            if size > request.max_bytes:
                break
            file.write(block)
            bar.advance(len(block))
    if size > request.max_bytes:
        part.discard()
        raise DownloadFailed(
            f"{request.url} sent more than the {request.max_bytes:,} bytes that were expected at most."
        )


def _check_response(request: DownloadRequest, response: httpx2.Response) -> None:
    """Refuse what cannot be the file, before a byte of it is kept."""
    if response.status_code in _RETRYABLE_STATUSES:
        raise _RetryableError(f"the server says {response.status_code} {response.reason_phrase}")
    if response.status_code not in (200, 206, 416):
        error = DownloadFailed(
            f"{request.url}: the server says {response.status_code} {response.reason_phrase}. "
            "Has the file moved? Fetch it by another way, or set GRAFT_MIRROR."
        )
        error.status = response.status_code
        raise error
    if request.url.startswith("https:") and response.url.scheme != "https":
        raise DownloadFailed(f"{request.url} leads to {response.url}, which is not encrypted; that is refused.")
    if response.headers.get("content-encoding", "identity") != "identity":
        raise DownloadFailed(f"{request.url} came compressed though that was not asked for; set GRAFT_MIRROR.")


def is_continuation(headers: ResponseHeaders, offset: int, expected_validator: str | None) -> bool:
    """Say whether a 206 is the rest of the very file that a part of `offset` bytes begins; `expected_validator` is its validator."""
    is_at_offset = headers.get("content-range", "").startswith(f"bytes {offset}-")
    return is_at_offset and offset > 0 and response_validator(headers) in (expected_validator, None)


def response_validator(headers: ResponseHeaders) -> str | None:
    """Return what names this version of the file: a strong ETag, else the date of its last change."""
    etag = headers.get("etag", "")
    return etag if etag and not etag.startswith("W/") else headers.get("last-modified")


def total_file_bytes(headers: ResponseHeaders, status: int) -> int | None:
    """Return how many bytes the whole file has, where the server says so."""
    value = headers.get("content-length", "") if status == 200 else headers.get("content-range", "").rpartition("/")[2]
    return int(value) if value.isdigit() else None
