"""Download one file over HTTP: retried, resumed, hashed while it streams, and renamed only when it is verified.

A partial download is resumed only if the server confirms that it still has that version of the file (RFC 9110,
sections 13.1.5 and 14.2); otherwise it starts over. The caller holds the lock of the file.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import httpx2

from graft.errors import DownloadFailed, HashMismatch, WeightsError
from graft.progress import Progress, ProgressBar
from zoo.weights.dead_hosts import record_dead_host, require_live_host
from zoo.weights.partial_file import PartialFile

_HTTP_TIMEOUT: Final = httpx2.Timeout(30.0, connect=10.0)  # seconds; 30 without a byte is a stall
_RETRY_DELAYS: Final = (0.5, 2.0, 5.0)  # seconds before the second, third and fourth attempt (backoff)
_PROXY_VARIABLES: Final = ("http_proxy", "https_proxy", "all_proxy")
_CONNECT_ERRORS: Final = (httpx2.ConnectError, httpx2.ConnectTimeout)
_RETRYABLE_STATUSES: Final = (408, 425, 429, 500, 502, 503, 504)

ResponseHeaders = Mapping[str, str]  # by their names in lower case


class _RetryableError(Exception):
    """The transfer broke off; the bytes that arrived stay, and the next attempt resumes there."""


def download(
    url: str, path: Path, *, sha256: str | None = None, md5: str | None = None, max_bytes: int, progress: Progress
) -> str:
    """Download `url` to `path` and return its SHA-256, in hex; a failed download leaves `path` as it was.

    `sha256` and `md5` are the hashes that the file must have, in hex; None accepts any. A file of more than
    `max_bytes` bytes is refused.

    Raises:
        DownloadFailed: the network or the server failed, or a web page came instead of the file.
        HashMismatch: the file does not have the expected hash; it is deleted.
        OSError: the folder of `path` cannot be written.
    """
    part = PartialFile(path)
    if _transfer(url, part, max_bytes, progress) and not _is_valid(url, part, sha256, md5):
        part.discard()  # it was resumed: perhaps only the bytes of the earlier run are wrong
        _transfer(url, part, max_bytes, progress)
    try:
        _verify(url, part, sha256, md5)
    except WeightsError:
        part.discard()
        raise
    digest = part.sha256()
    part.rename_to(path)
    return digest


def _transfer(url: str, part: PartialFile, max_bytes: int, progress: Progress) -> bool:
    """Download the missing bytes, in as many attempts as allowed; return whether an earlier run had left some."""
    require_live_host(url)
    is_resumed = part.size() > 0 and part.read_validator(url) is not None
    for delay in (*_RETRY_DELAYS, None):
        try:
            _transfer_once(url, part, max_bytes, progress)
        except (httpx2.UnsupportedProtocol, httpx2.InvalidURL) as fault:
            raise DownloadFailed(
                f"{url} is not a URL that can be downloaded ({fault}). GRAFT_MIRROR must be a URL that begins with "
                "https:// or http://."
            ) from None
        except (_RetryableError, httpx2.TransportError) as fault:
            if delay is None:
                raise _final_error(url, part, fault) from None
            time.sleep(delay)
        except httpx2.HTTPError as fault:
            raise DownloadFailed(f"{url} could not be fetched ({fault}). Check GRAFT_MIRROR.") from None
        else:
            break
    return is_resumed


def _final_error(url: str, part: PartialFile, fault: Exception) -> DownloadFailed:
    """Return the error to raise after the last attempt; a host that could not be reached is recorded as dead."""
    reason = str(fault) or type(fault).__name__
    if isinstance(fault, _CONNECT_ERRORS):
        record_dead_host(url, reason)
    resume_hint = f"Run the same again to resume after the {part.size():,} bytes that are kept. " if part.size() else ""
    return DownloadFailed(
        f"{url} could not be fetched in {len(_RETRY_DELAYS) + 1} attempts ({reason}). {resume_hint}{_proxy_hint()}"
        "No network here? Set GRAFT_MIRROR, or pack the weights on a machine that has them: zoo bundle-weights, then "
        "zoo load."
    )


def _verify(url: str, part: PartialFile, sha256: str | None, md5: str | None) -> None:
    """Require that the complete part is a file of its kind and has the expected hashes."""
    if not part.has_expected_magic():
        content = "a web page" if part.is_web_page() else "something else"
        raise DownloadFailed(
            f"{url} gave {content} instead of {part.name}. Is a proxy or a log-in page in between? Download it in "
            "another way, or set GRAFT_MIRROR."
        )
    for algorithm, expected, actual in (("SHA-256", sha256, part.sha256()), ("MD5", md5, part.md5())):
        if expected is not None and actual != expected:
            raise HashMismatch(
                f"{url} gave bytes with {algorithm} {actual}; expected is {expected}. They were deleted; try again, or "
                "ask whoever runs the mirror."
            )


def _is_valid(url: str, part: PartialFile, sha256: str | None, md5: str | None) -> bool:
    try:
        _verify(url, part, sha256, md5)
    except WeightsError:
        return False
    return True


def _transfer_once(url: str, part: PartialFile, max_bytes: int, progress: Progress) -> None:
    stored_validator = part.read_validator(url)
    offset = part.size() if stored_validator else 0
    headers = {"Accept-Encoding": "identity"}
    if offset and stored_validator:
        headers |= {"Range": f"bytes={offset}-", "If-Range": stored_validator}
    with _open_client() as client, client.stream("GET", url, headers=headers) as response:
        _check_response(url, response)
        if response.status_code == 416:
            part.discard()
            raise _RetryableError("the partial file is longer than the file")
        if response.status_code != 206 or not is_continuation(response.headers, offset, stored_validator):
            part.restart(url, response_validator(response.headers))
            if response.status_code == 206:
                raise _RetryableError("the server sent another range than the one requested")
        total_bytes = total_file_bytes(response.headers, response.status_code)
        if total_bytes is not None and total_bytes > max_bytes:
            part.discard()
            raise DownloadFailed(f"{url} has {total_bytes:,} bytes; at most {max_bytes:,} were expected.")
        with progress.bar(f"downloading {part.name}", total_bytes, "B") as bar:
            bar.advance(part.size())
            _receive_body(url, response, part, max_bytes, bar)
    if total_bytes is not None and part.size() != total_bytes:
        if part.size() > total_bytes:
            part.discard()
        raise _RetryableError(f"{part.size():,} of {total_bytes:,} bytes arrived")


def _open_client() -> httpx2.Client:
    """Return a client that heeds the proxy settings."""
    try:
        return httpx2.Client(timeout=_HTTP_TIMEOUT, follow_redirects=True)
    except (ValueError, ImportError) as fault:
        raise DownloadFailed(f"the proxy settings cannot be used ({fault}). {_proxy_hint()}") from None


def _proxy_hint() -> str:
    """Name the proxy variables that are set; never their values, which may hold a password."""
    names = ", ".join(name for name in os.environ if name.lower() in _PROXY_VARIABLES and os.environ[name])
    return f"Is {names} right? NO_PROXY exempts hosts. " if names else ""


def _receive_body(url: str, response: httpx2.Response, part: PartialFile, max_bytes: int, bar: ProgressBar) -> None:
    size = part.size()
    with part.open_append() as file:
        for block in response.iter_raw():
            size += len(block)
            if size > max_bytes:
                break
            part.write(file, block)
            bar.advance(len(block))
    if size > max_bytes:
        part.discard()
        raise DownloadFailed(f"{url} sent more than the {max_bytes:,} bytes that were expected at most.")


def _check_response(url: str, response: httpx2.Response) -> None:
    """Refuse a response that cannot be the file, before a byte of it is written."""
    status = f"{response.status_code} {response.reason_phrase}"
    if response.status_code in _RETRYABLE_STATUSES:
        raise _RetryableError(f"the server answered {status}")
    if response.status_code not in (200, 206, 416):
        error = DownloadFailed(
            f"{url}: the server answered {status}. Has the file moved? Download it in another way, or set GRAFT_MIRROR."
        )
        error.status = response.status_code
        raise error
    if url.startswith("https:") and response.url.scheme != "https":
        raise DownloadFailed(f"{url} redirects to {response.url}, which is not encrypted; that is refused.")
    if response.headers.get("content-encoding", "identity") != "identity":
        raise DownloadFailed(f"{url} came compressed, although no compression was requested; set GRAFT_MIRROR.")


def is_continuation(headers: ResponseHeaders, offset: int, expected_validator: str | None) -> bool:
    """Say whether a 206 response continues a part of `offset` bytes of the version `expected_validator`."""
    is_at_offset = headers.get("content-range", "").startswith(f"bytes {offset}-")
    return is_at_offset and offset > 0 and response_validator(headers) in (expected_validator, None)


def response_validator(headers: ResponseHeaders) -> str | None:
    """Return what identifies this version of the file: a strong ETag, or else the date of its last change."""
    etag = headers.get("etag", "")
    return etag if etag and not etag.startswith("W/") else headers.get("last-modified")


def total_file_bytes(headers: ResponseHeaders, status: int) -> int | None:
    """Return the size of the whole file in bytes; None where the server does not tell."""
    value = headers.get("content-length", "") if status == 200 else headers.get("content-range", "").rpartition("/")[2]
    return int(value) if value.isdigit() else None
