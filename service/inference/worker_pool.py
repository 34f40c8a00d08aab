"""Work off the event loop: one thread a core, all pulling from one line, and a bounded crowd before them.

No thread waits for the event loop between two pieces of work: whatever is next in line is already there. That is
most of the difference between two thirds of the machine's speed and nearly all of it (docs/serving.md).
"""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

from graft.errors import Overloaded

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
