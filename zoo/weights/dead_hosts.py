"""Dead hosts: within one command, a host that could not be reached fails at once instead of timing out again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from urllib.parse import urlsplit

from graft.errors import DownloadFailed

# Host -> reason; None outside `fail_fast_on_dead_hosts`, where nothing is recorded.
_DEAD_HOSTS: ContextVar[dict[str, str] | None] = ContextVar("dead hosts", default=None)


@contextmanager
def fail_fast_on_dead_hosts() -> Iterator[None]:
    """Make further downloads from a host that could not be reached fail at once, until the block ends.

    >>> with fail_fast_on_dead_hosts():
    ...     record_dead_host("https://example.com/a.h5", reason="no route to host")
    ...     require_live_host("https://example.com/b.h5")
    Traceback (most recent call last):
    graft.errors.DownloadFailed: example.com was not tried again: it could not be reached before (no route to host).
    """
    token = _DEAD_HOSTS.set({})
    try:
        yield
    finally:
        _DEAD_HOSTS.reset(token)


def require_live_host(url: str) -> None:
    """Require that the host of `url` has not been recorded as dead in this block.

    Raises:
        DownloadFailed: it has; the message gives the reason.
    """
    host = urlsplit(url).netloc
    if reason := (_DEAD_HOSTS.get() or {}).get(host):
        raise DownloadFailed(f"{host} was not tried again: it could not be reached before ({reason}).")


def record_dead_host(url: str, reason: str) -> None:
    """Record that the host of `url` could not be reached; outside `fail_fast_on_dead_hosts` this does nothing."""
    hosts = _DEAD_HOSTS.get()
    if hosts is not None:
        hosts[urlsplit(url).netloc] = reason
