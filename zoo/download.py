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

from zoo.answers import continues, total, validator
from zoo.dead_hosts import check_alive, note_dead
from zoo.errors import DownloadFailed, WeightsError
from zoo.partial import Part
from zoo.progress import Bar, Progress

_TIMEOUT: Final = httpx2.Timeout(30.0, connect=10.0)  # seconds; 30 without a byte is a stall
_PAUSES: Final = (0.5, 2.0, 5.0)  # seconds before the second, third and fourth attempt
_PROXIES: Final = ("http_proxy", "https_proxy", "all_proxy")
_UNREACHED: Final = (httpx2.ConnectError, httpx2.ConnectTimeout)
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
    check_alive(wanted.url)
    resumed = part.size() > 0 and part.validator(wanted.url) is not None
    for pause in (*_PAUSES, None):
        try:
            _attempt(wanted, part, progress)
        except (httpx2.UnsupportedProtocol, httpx2.InvalidURL) as fault:
            raise DownloadFailed(
                f"{wanted.url} is no address that can be fetched ({fault}). GRAFT_MIRROR is an address that begins "
                "with https:// or http://."
            ) from None
        except (_Cut, httpx2.TransportError) as fault:
            if pause is None:
                raise _given_up(wanted.url, part, fault) from None
            time.sleep(pause)
        except httpx2.HTTPError as fault:
            raise DownloadFailed(f"{wanted.url} cannot be fetched ({fault}). Check GRAFT_MIRROR.") from None
        else:
            break
    return resumed


def _given_up(url: str, part: Part, fault: Exception) -> DownloadFailed:
    """Return what is said after the last attempt; a host that was never reached is remembered."""
    why = str(fault) or type(fault).__name__
    if isinstance(fault, _UNREACHED):
        note_dead(url, why)
    kept = f"Run the same again to continue after the {part.size():,} bytes that are kept. " if part.size() else ""
    return DownloadFailed(
        f"{url} could not be fetched in {len(_PAUSES) + 1} attempts ({why}). {kept}{_through()}No network here? Set "
        "GRAFT_MIRROR, or pack the weights on a machine that has them: zoo bundle-weights, then zoo load."
    )


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
    known = part.validator(wanted.url)
    have = part.size() if known else 0
    headers = {"Accept-Encoding": "identity"}
    if have and known:
        headers |= {"Range": f"bytes={have}-", "If-Range": known}
    with (
        _client() as client,
        client.stream("GET", wanted.url, headers=headers) as response,
    ):
        _check_answer(wanted, response)
        if response.status_code == 416:
            part.drop()
            raise _Cut("the part does not fit the file any more")
        if response.status_code != 206 or not continues(response.headers, have, known):
            part.begin(wanted.url, validator(response.headers))
            if response.status_code == 206:
                raise _Cut("the server sent another piece than was asked for")
        whole = total(response.headers, response.status_code)
        if whole is not None and whole > wanted.cap:
            part.drop()
            raise DownloadFailed(f"{wanted.url} promises {whole:,} bytes; at most {wanted.cap:,} were expected.")
        with progress.bar(f"fetching {part.name}", whole, "B") as bar:
            bar.advance(part.size())
            _receive(wanted, response, part, bar)
    if whole is not None and part.size() != whole:
        if part.size() > whole:
            part.drop()
        raise _Cut(f"{part.size():,} of {whole:,} bytes came")


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
