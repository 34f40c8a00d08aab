"""What worker threads owe to a request, and how the event loop waits for it.

Lighter than futures on purpose: one wake-up of the loop for a whole request, no task and no lock for each of its
samples. On a core whose caches a network has just swept, every line of Python costs several times as much.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Generic, TypeVar

from starlette.requests import ClientDisconnect

from graft.errors import GraftError, InputError, ServerFailed
from service.http_errors import SERVER_FAILED_MESSAGE
from service.inference.worker_pool import WorkerPool

T = TypeVar("T")
DisconnectCheck = Callable[[], bool]  # tells, on any thread, whether the client hung up


class FutureGroup(Generic[T]):
    """So many things that a request waits for; made on the event loop, which alone may await `gather`."""

    def __init__(self, count: int, is_disconnected: DisconnectCheck) -> None:
        """Expect `count` outcomes; what is not begun when the client is `gone` is never begun."""
        self._loop = asyncio.get_running_loop()
        self._all_done: asyncio.Future[None] = self._loop.create_future()
        self._outcomes: list[T | BaseException] = [ClientDisconnect()] * count
        self._outcome_counter = itertools.count(1)
        self._is_disconnected, self._is_closed = is_disconnected, not count

    def __iter__(self) -> Iterator[JobFuture[T]]:
        return (JobFuture(self, at) for at in range(len(self._outcomes)))

    @property
    def is_cancelled(self) -> bool:
        """Tell whether nobody waits any more."""
        return self._is_closed or self._is_disconnected()

    def set_outcome(self, index: int, outcome: T | BaseException) -> None:
        """Note one outcome; the last one wakes the event loop."""
        self._outcomes[index] = outcome
        if next(self._outcome_counter) == len(self._outcomes):
            with suppress(RuntimeError):  # the loop is closed: the server has stopped
                self._loop.call_soon_threadsafe(self._mark_done)

    async def gather(self) -> list[T | BaseException]:
        """Return what came of each, or the error that was raised in its place, once all are settled."""
        try:
            if self._outcomes:
                await self._all_done
        finally:
            self._is_closed = True
        return self._outcomes

    def _mark_done(self) -> None:
        if not self._all_done.done():
            self._all_done.set_result(None)


class JobFuture(Generic[T]):
    """One of them; settled once, on a worker's thread."""

    __slots__ = ("_all", "_at")

    def __init__(self, group: FutureGroup[T], index: int) -> None:
        self._all, self._at = group, index

    @property
    def is_cancelled(self) -> bool:
        """Tell whether nobody waits any more."""
        return self._all.is_cancelled

    def set_outcome(self, outcome: T | BaseException) -> None:
        """Say what came of it."""
        self._all.set_outcome(self._at, outcome)

    def complete_with(self, work: Callable[[], T]) -> None:
        """Do `jobs`, unless nobody waits any more, and settle with what comes of it."""
        if self.is_cancelled:
            self.set_outcome(ClientDisconnect())
            return
        try:
            answer = work()
        except Exception as fault:
            self.set_outcome(fault)
        else:
            self.set_outcome(answer)


def unwrap(outcome: T | BaseException) -> T:
    """Return what was done, or raise what came in its place.

    Raises:
        ServerFailed: nobody raised it on purpose; it is the cause.
    """
    if isinstance(outcome, GraftError | ClientDisconnect):
        raise outcome
    if isinstance(outcome, BaseException):
        raise ServerFailed(SERVER_FAILED_MESSAGE) from outcome
    return outcome


def unwrap_all(outcomes: Sequence[T | BaseException], noun: str) -> list[T]:
    """Return all that was done, or raise the first of what came in its place, with the number of the sample."""
    return [
        _unwrap_numbered(one, f"{noun} {at} of {len(outcomes)}", len(outcomes)) for at, one in enumerate(outcomes, 1)
    ]


def _unwrap_numbered(outcome: T | BaseException, which: str, count: int) -> T:
    if isinstance(outcome, InputError) and count > 1:
        raise type(outcome)(f"{which}: {outcome}")
    return unwrap(outcome)


async def run_concurrently(
    workers: WorkerPool, jobs: Sequence[Callable[[], T]], is_disconnected: DisconnectCheck
) -> list[T | BaseException]:
    """Do several things on worker threads and return what came of each."""
    futures = FutureGroup[T](len(jobs), is_disconnected)
    for future, one in zip(futures, jobs, strict=True):
        workers.submit(partial(future.complete_with, one))
    return await futures.gather()
