"""Work off the event loop: one thread a core, all pulling from one line, and a bounded crowd before them.

No thread waits for the event loop between two pieces of work: whatever is next in line is already there. That is
most of the difference between two thirds of the machine's speed and nearly all of it (docs/serving.md).


What worker threads owe to a request, and how the event loop waits for it.

Lighter than futures on purpose: one wake-up of the loop for a whole request, no task and no lock for each of its
samples. On a core whose caches a network has just swept, every line of Python costs several times as much.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from typing import Generic, TypeVar

from starlette.requests import ClientDisconnect

from graft.errors import GraftError, InputError, Overloaded, ServerFailed
from service.http_errors import SERVER_FAILED_MESSAGE

_NICE_INCREMENT, _MAX_NICE = 10, 19  # niceness: more than the workers have, and the most there is


class WorkerPool:
    """Threads that pull work from one line. Safe to use from any thread."""

    def __init__(self, thread_count: int, max_waiting: int) -> None:
        """Take `thread_count` at work and `max_waiting` more items in the line."""
        self.thread_count = thread_count
        # Of a deque, each step is one for all threads: no lock is needed.
        self._queue: deque[Callable[[], object]] = deque()
        self._idle_locks: deque[threading.Lock] = deque()  # the bells of the threads that wait for work
        self._max_samples = thread_count + max_waiting
        self._sample_count = 0
        for number in range(thread_count):
            threading.Thread(target=self._run_worker, name=f"graft-{number}", daemon=True).start()

    @contextmanager
    def admission(self, samples: int) -> Iterator[None]:
        """Hold a place for so many items of work; called on one thread, the event loop's.

        Raises:
            Overloaded: there is no room for them; nothing was begun.
        """
        if self._sample_count and self._sample_count + samples > self._max_samples:  # one that is alone is always taken
            raise Overloaded(
                f"{self._sample_count} samples are waiting already and this request has {samples}; the server takes "
                f"{self._max_samples} at a time. Try again in a second."
            )
        self._sample_count += samples
        try:
            yield
        finally:
            self._sample_count -= samples

    def submit(self, job: Callable[[], object]) -> None:
        """Put `job`, which must not raise, at the end of the line."""
        self._queue.append(job)
        with suppress(IndexError):
            self._idle_locks.pop().release()  # who rested last: what it needs is still in its core's caches

    @property
    def is_queue_empty(self) -> bool:
        """Tell whether nothing is waiting in the line."""
        return not self._queue

    @property
    def idle_threads(self) -> int:
        """How many threads wait for work, this moment."""
        return len(self._idle_locks)

    def close(self) -> None:
        """Let the threads end, after what stands in the line."""
        for _ in range(self.thread_count):
            self.submit(_exit_thread)

    def _run_worker(self) -> None:
        wake_lock = threading.Lock()
        wake_lock.acquire()
        with suppress(SystemExit):
            while True:
                self._next_job(wake_lock)()

    def _next_job(self, wake_lock: threading.Lock) -> Callable[[], object]:
        """Return the work that stands first in the line; while there is none, rest until the bell rings."""
        while True:
            try:
                return self._queue.popleft()
            except IndexError:
                self._idle_locks.append(wake_lock)
            if self._queue:  # it came before the bell hung there
                with suppress(ValueError):  # somebody has taken the bell, and rings it
                    self._idle_locks.remove(wake_lock)
                    continue
            wake_lock.acquire()


def create_background_executor(name: str) -> ThreadPoolExecutor:
    """Return one thread for work that nobody waits for: where the system can, it gets what the workers leave.

    A new version is hashed, opened and replayed there. At the workers' own priority that doubled the time of the
    slowest requests (`benchmarks/serving/swaps.py`).
    """
    return ThreadPoolExecutor(1, name, initializer=_lower_priority)


def _lower_priority() -> None:
    if sys.platform == "linux":  # elsewhere it would be the whole process
        me = threading.get_native_id()
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, me, min(_MAX_NICE, os.getpriority(os.PRIO_PROCESS, me) + _NICE_INCREMENT))


def _exit_thread() -> None:
    raise SystemExit


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
