"""Worker threads, one a core, that pull jobs from one queue; and the futures by which requests await their jobs.

No worker waits for the event loop between two jobs: whatever is next in the queue is already there. That is most of the
difference between two thirds of the machine's speed and nearly all of it (docs/serving.md). The futures are lighter
than asyncio's on purpose: one wake-up of the loop for a whole request, no task and no lock for each of its samples. On
a core whose caches a network has just swept, every line of Python costs several times as much.
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
from contextlib import suppress
from functools import partial
from typing import Final, Generic, TypeVar

from starlette.requests import ClientDisconnect

from graft.errors import GraftError, InputError, ServerFailed
from service.http_errors import SERVER_FAILED_MESSAGE

T = TypeVar("T")
DisconnectCheck = Callable[[], bool]  # returns, on any thread, whether the client hung up

_NICE_INCREMENT: Final = 10  # of background threads, over the workers' niceness
_MAX_NICE: Final = 19


class WorkerPool:
    """Threads that run jobs from one queue. Safe to use from any thread."""

    def __init__(self, thread_count: int) -> None:
        """Start `thread_count` worker threads."""
        self.thread_count = thread_count
        # Each operation of a deque is atomic: no lock is needed.
        self._queue: deque[Callable[[], object]] = deque()
        self._idle_locks: deque[threading.Lock] = deque()  # one for each idle thread; releasing it wakes the thread
        for number in range(thread_count):
            threading.Thread(target=self._run_worker, name=f"graft-{number}", daemon=True).start()

    def submit(self, job: Callable[[], object]) -> None:
        """Append `job`, which must not raise, to the queue."""
        self._queue.append(job)
        with suppress(IndexError):
            self._idle_locks.pop().release()  # the last to become idle: its core's caches are the warmest

    async def run(self, job: Callable[[], T], is_disconnected: DisconnectCheck) -> T:
        """Run `job` on a worker thread and return its result.

        Raises:
            ClientDisconnect: the client hung up before the job began.
            ServerFailed: the job raised an unexpected error.
        """
        (outcome,) = await self.run_all([job], is_disconnected)
        return unwrap(outcome)

    async def run_all(
        self, jobs: Sequence[Callable[[], T]], is_disconnected: DisconnectCheck
    ) -> list[T | BaseException]:
        """Run several jobs on worker threads and return the outcome of each: its result or its error."""
        group = FutureGroup[T](len(jobs), is_disconnected)
        for future, job in zip(group, jobs, strict=True):
            self.submit(partial(future.complete_with, job))
        return await group.gather()

    @property
    def is_queue_empty(self) -> bool:
        """Whether no job is waiting for a thread."""
        return not self._queue

    @property
    def idle_threads(self) -> int:
        """How many threads have nothing to do right now."""
        return len(self._idle_locks)

    def close(self) -> None:
        """Stop the threads once the jobs in the queue are done."""
        for _ in range(self.thread_count):
            self.submit(_exit_thread)

    def _run_worker(self) -> None:
        wake_lock = threading.Lock()
        wake_lock.acquire()
        with suppress(SystemExit):
            while True:
                self._next_job(wake_lock)()

    def _next_job(self, wake_lock: threading.Lock) -> Callable[[], object]:
        """Return the first job of the queue; while it is empty, sleep until `wake_lock` is released."""
        while True:
            try:
                return self._queue.popleft()
            except IndexError:
                self._idle_locks.append(wake_lock)
            if self._queue:  # a job came before the lock was among the idle ones
                with suppress(ValueError):  # somebody has taken the lock, and releases it
                    self._idle_locks.remove(wake_lock)
                    continue
            wake_lock.acquire()


class FutureGroup(Generic[T]):
    """The futures of one request's jobs; made on the event loop, where `gather` is awaited."""

    def __init__(self, count: int, is_disconnected: DisconnectCheck) -> None:
        """Expect `count` outcomes; jobs that have not begun when the client disconnects are skipped."""
        self._loop = asyncio.get_running_loop()
        self._all_done: asyncio.Future[None] = self._loop.create_future()
        self._outcomes: list[T | BaseException] = [ClientDisconnect()] * count
        self._outcome_counter = itertools.count(1)
        self._is_disconnected, self._is_closed = is_disconnected, not count

    def __iter__(self) -> Iterator[JobFuture[T]]:
        return (JobFuture(self, index) for index in range(len(self._outcomes)))

    @property
    def is_cancelled(self) -> bool:
        """Whether nobody awaits the outcomes any more."""
        return self._is_closed or self._is_disconnected()

    def set_outcome(self, index: int, outcome: T | BaseException) -> None:
        """Store one outcome; the last one wakes the event loop."""
        self._outcomes[index] = outcome
        if next(self._outcome_counter) == len(self._outcomes):
            with suppress(RuntimeError):  # the loop is closed: the server has stopped
                self._loop.call_soon_threadsafe(self._mark_done)

    async def gather(self) -> list[T | BaseException]:
        """Return the result or the error of each job, in order, once all are there."""
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
    """The future of one job; its outcome is set once, on a worker thread."""

    __slots__ = ("_group", "_index")

    def __init__(self, group: FutureGroup[T], index: int) -> None:
        self._group, self._index = group, index

    @property
    def is_cancelled(self) -> bool:
        """Whether nobody awaits the outcome any more."""
        return self._group.is_cancelled

    def set_outcome(self, outcome: T | BaseException) -> None:
        """Store the result of the job, or its error."""
        self._group.set_outcome(self._index, outcome)

    def complete_with(self, job: Callable[[], T]) -> None:
        """Run `job` and store its outcome; skip it if nobody awaits it any more."""
        if self.is_cancelled:
            self.set_outcome(ClientDisconnect())
            return
        try:
            result = job()
        except Exception as fault:
            self.set_outcome(fault)
        else:
            self.set_outcome(result)


def unwrap(outcome: T | BaseException) -> T:
    """Return the result of a job, or raise its error.

    Raises:
        ServerFailed: the error is not one of Graft's; it is the cause.
    """
    if isinstance(outcome, GraftError | ClientDisconnect):
        raise outcome
    if isinstance(outcome, BaseException):
        raise ServerFailed(SERVER_FAILED_MESSAGE) from outcome
    return outcome


def unwrap_all(outcomes: Sequence[T | BaseException], noun: str) -> list[T]:
    """Return the results of all jobs, or raise the first error, with the number of its sample ("image 2 of 3")."""
    count = len(outcomes)
    return [_unwrap_numbered(one, f"{noun} {number} of {count}", count) for number, one in enumerate(outcomes, 1)]


def _unwrap_numbered(outcome: T | BaseException, name: str, count: int) -> T:
    if isinstance(outcome, InputError) and count > 1:
        raise type(outcome)(f"{name}: {outcome}")
    return unwrap(outcome)


def create_background_executor(name: str) -> ThreadPoolExecutor:
    """Return an executor with one thread of low priority, for work that no request waits for.

    A new version is hashed, opened and replayed there. At the workers' own priority that doubled the time of the
    slowest requests (`benchmarks/serving/swaps.py`). Only Linux has priorities of threads.
    """
    return ThreadPoolExecutor(1, name, initializer=_lower_priority)


def _lower_priority() -> None:
    if sys.platform == "linux":  # elsewhere it would be the whole process
        thread = threading.get_native_id()
        with suppress(OSError):
            niceness = os.getpriority(os.PRIO_PROCESS, thread) + _NICE_INCREMENT
            os.setpriority(os.PRIO_PROCESS, thread, min(_MAX_NICE, niceness))


def _exit_thread() -> None:
    raise SystemExit
