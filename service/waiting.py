"""The event loop waits for what worker threads promised, and for the client to hang up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import Future
from typing import TypeVar

from starlette.requests import ClientDisconnect

from zoo.errors import InputError

T = TypeVar("T")
HungUp = Callable[[], Awaitable[None]]  # returns when the client hangs up


async def settled(promises: Iterable[Future[T]], hung_up: HungUp) -> list[T | BaseException]:
    """Return what was promised, or what was raised in its place, once all is done.

    What was not begun when the client hangs up is never begun, and is a ClientDisconnect.
    """
    promised = list(promises)

    def give_up(_: object) -> None:
        for promise in promised:
            promise.cancel()

    watch = asyncio.ensure_future(hung_up())
    watch.add_done_callback(give_up)
    try:
        done = await asyncio.gather(*map(asyncio.wrap_future, promised), return_exceptions=True)
    finally:
        watch.cancel()
    return [ClientDisconnect() if isinstance(one, asyncio.CancelledError) else one for one in done]


def good(done: T | BaseException) -> T:
    """Return what was done, or raise what came in its place."""
    if isinstance(done, BaseException):
        raise done
    return done


def all_good(done: Sequence[T | BaseException], noun: str) -> list[T]:
    """Return all that was done, or raise the first of what came in its place, with the number of the sample."""
    return [_numbered(one, f"{noun} {at} of {len(done)}", len(done)) for at, one in enumerate(done, 1)]


def _numbered(done: T | BaseException, which: str, of: int) -> T:
    if isinstance(done, InputError) and of > 1:
        raise type(done)(f"{which}: {done}")
    return good(done)
