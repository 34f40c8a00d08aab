"""Work off the event loop: as many threads as cores, and a bounded crowd before them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from starlette.requests import ClientDisconnect

from zoo.errors import Overloaded

T = TypeVar("T")


class Workers:
    """Threads that do the work of requests; belongs to one event loop."""

    def __init__(self, threads: int, max_waiting: int) -> None:
        """Take `threads` at work and `max_waiting` more items in the queue."""
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="graft")
        self._free = asyncio.Semaphore(threads)
        self._limit = threads + max_waiting
        self._inside = 0

    @contextmanager
    def admitted(self, items: int) -> Iterator[None]:
        """Hold a place for so many items of work.

        Raises:
            Overloaded: there is no room for them; nothing was begun.
        """
        if self._inside and self._inside + items > self._limit:  # one that is alone is always taken
            raise Overloaded(
                f"{self._inside} samples are waiting already and this request has {items}; the server takes "
                f"{self._limit} at a time. Try again in a second."
            )
        self._inside += items
        try:
            yield
        finally:
            self._inside -= items

    async def run(self, work: Callable[[], T], gone: Callable[[], Awaitable[bool]]) -> T:
        """Do `work` on a thread as soon as one is free.

        Raises:
            ClientDisconnect: nobody waits for the answer any more; the work was not begun.
        """
        async with self._free:
            if await gone():
                raise ClientDisconnect
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def close(self) -> None:
        """Let the threads end."""
        self._pool.shutdown(wait=False)
