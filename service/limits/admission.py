"""Admission control: overload is refused with 429 and Retry-After before any work begins.

A request is admitted whole or not at all, so a sample that was admitted is never dropped, and the queue stays short
enough for every admitted request to be answered soon.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

from graft.errors import Overloaded

RETRY_AFTER_SECONDS: Final = 1
# Headers of the responses that ask a client to come back: overloaded (429), not ready yet (503).
RETRY_HEADERS: Final[Mapping[int, Mapping[str, str]]] = MappingProxyType(
    {
        status: {"Retry-After": str(RETRY_AFTER_SECONDS)}
        for status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
    }
)


class AdmissionControl:
    """Counts the samples in the server, running and queued; used on one thread, the event loop's."""

    def __init__(self, max_samples: int) -> None:
        """Admit up to `max_samples` samples at a time."""
        self._max_samples = max_samples
        self.sample_count = 0

    @contextmanager
    def admit(self, samples: int) -> Iterator[None]:
        """Hold places for a request of so many samples while the block runs.

        A request that is larger than the limit is admitted while no other is in the server.

        >>> control = AdmissionControl(max_samples=2)
        >>> with control.admit(2), control.admit(1):
        ...     pass
        Traceback (most recent call last):
        graft.errors.Overloaded: the server is full: 2 samples are running or queued, this request has 1, and at most \
2 are admitted at a time. Retry in a second.

        Raises:
            Overloaded: the server is full; nothing was begun.
        """
        if self.sample_count and self.sample_count + samples > self._max_samples:
            raise Overloaded(
                f"the server is full: {self.sample_count} samples are running or queued, this request has {samples}, "
                f"and at most {self._max_samples} are admitted at a time. Retry in a second."
            )
        self.sample_count += samples
        try:
            yield
        finally:
            self.sample_count -= samples
