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

from service.errors import FAILED
from service.workers import Workers
from zoo.errors import GraftError, InputError, ServerFailed

T = TypeVar("T")
Gone = Callable[[], bool]  # tells, on any thread, whether the client hung up


class Promises(Generic[T]):
    """So many things that a request waits for; made on the event loop, which alone may await `outcomes`."""

    def __init__(self, count: int, gone: Gone) -> None:
        """Expect `count` outcomes; what is not begun when the client is `gone` is never begun."""
        self._loop = asyncio.get_running_loop()
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._outcomes: list[T | BaseException] = [ClientDisconnect()] * count
        self._settled = itertools.count(1)
        self._gone, self._given_up = gone, not count

    def __iter__(self) -> Iterator[Promise[T]]:
        return (Promise(self, at) for at in range(len(self._outcomes)))

    @property
    def gone(self) -> bool:
        """Tell whether nobody waits any more."""
        return self._given_up or self._gone()

    def settle(self, at: int, outcome: T | BaseException) -> None:
        """Note one outcome; the last one wakes the event loop."""
        self._outcomes[at] = outcome
        if next(self._settled) == len(self._outcomes):
            with suppress(RuntimeError):  # the loop is closed: the server has stopped
                self._loop.call_soon_threadsafe(self._finish)

    async def outcomes(self) -> list[T | BaseException]:
        """Return what came of each, or the error that was raised in its place, once all are settled."""
        try:
            if self._outcomes:
                await self._over
        finally:
            self._given_up = True
        return self._outcomes

    def _finish(self) -> None:
        if not self._over.done():
            self._over.set_result(None)


class Promise(Generic[T]):
    """One of them; settled once, on a worker's thread."""

    __slots__ = ("_all", "_at")

    def __init__(self, all_: Promises[T], at: int) -> None:
        self._all, self._at = all_, at

    @property
    def gone(self) -> bool:
        """Tell whether nobody waits any more."""
        return self._all.gone

    def settle(self, outcome: T | BaseException) -> None:
        """Say what came of it."""
        self._all.settle(self._at, outcome)

    def keep(self, work: Callable[[], T]) -> None:
        """Do `work`, unless nobody waits any more, and settle with what comes of it."""
        if self.gone:
            self.settle(ClientDisconnect())
            return
        try:
            answer = work()
        except Exception as fault:
            self.settle(fault)
        else:
            self.settle(answer)


def good(outcome: T | BaseException) -> T:
    """Return what was done, or raise what came in its place.

    Raises:
        ServerFailed: nobody raised it on purpose; it is the cause.
    """
    if isinstance(outcome, GraftError | ClientDisconnect):
        raise outcome
    if isinstance(outcome, BaseException):
        raise ServerFailed(FAILED) from outcome
    return outcome


def all_good(outcomes: Sequence[T | BaseException], noun: str) -> list[T]:
    """Return all that was done, or raise the first of what came in its place, with the number of the sample."""
    return [_numbered(one, f"{noun} {at} of {len(outcomes)}", len(outcomes)) for at, one in enumerate(outcomes, 1)]


def _numbered(outcome: T | BaseException, which: str, of: int) -> T:
    if isinstance(outcome, InputError) and of > 1:
        raise type(outcome)(f"{which}: {outcome}")
    return good(outcome)


async def side_by_side(workers: Workers, work: Sequence[Callable[[], T]], gone: Gone) -> list[T | BaseException]:
    """Do several things on worker threads and return what came of each."""
    promises = Promises[T](len(work), gone)
    for promise, one in zip(promises, work, strict=True):
        workers.do(partial(promise.keep, one))
    return await promises.outcomes()
