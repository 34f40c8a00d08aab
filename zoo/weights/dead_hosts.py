"""Hosts that did not answer: within a block of work none of them is waited for a second time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from urllib.parse import urlsplit

from graft.errors import DownloadFailed

_DEAD_HOSTS: ContextVar[dict[str, str] | None] = ContextVar(
    "dead hosts", default=None
)  # host -> why; None: none is kept


@contextmanager
def fail_fast_on_dead_hosts() -> Iterator[None]:
    """Let a host that could not be reached fail at once for the rest of the block; nothing outlives the block."""
    token = _DEAD_HOSTS.set({})
    try:
        yield
    finally:
        _DEAD_HOSTS.reset(token)


def require_live_host(url: str) -> None:
    """Pass if the host of `url` was not found dead in this block.

    Raises:
        DownloadFailed: it was; the message says why.
    """
    host = urlsplit(url).netloc
    if why := (_DEAD_HOSTS.get() or {}).get(host):
        raise DownloadFailed(f"{host} was not asked again: it could not be reached a moment ago ({why}).")


def record_dead_host(url: str, reason: str) -> None:
    """Remember that the host of `url` could not be reached, where a block wants to know."""
    hosts = _DEAD_HOSTS.get()
    if hosts is not None:
        hosts[urlsplit(url).netloc] = reason
