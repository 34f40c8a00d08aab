"""Hosts that did not answer: within a block of work none of them is waited for a second time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from urllib.parse import urlsplit

from zoo.errors import DownloadFailed

_FOUND: ContextVar[dict[str, str] | None] = ContextVar("dead hosts", default=None)  # host -> why; None: none is kept


@contextmanager
def waited_for_once() -> Iterator[None]:
    """Let a host that could not be reached fail at once for the rest of the block; nothing outlives the block."""
    token = _FOUND.set({})
    try:
        yield
    finally:
        _FOUND.reset(token)


def check_alive(url: str) -> None:
    """Pass if the host of `url` was not found dead in this block.

    Raises:
        DownloadFailed: it was; the message says why.
    """
    host = urlsplit(url).netloc
    if why := (_FOUND.get() or {}).get(host):
        raise DownloadFailed(f"{host} was not asked again: it could not be reached a moment ago ({why}).")


def note_dead(url: str, why: str) -> None:
    """Remember that the host of `url` could not be reached, where a block wants to know."""
    found = _FOUND.get()
    if found is not None:
        found[urlsplit(url).netloc] = why
