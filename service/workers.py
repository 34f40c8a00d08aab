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

from zoo.errors import Overloaded

_BEHIND, _NICEST = 10, 19  # niceness: more than the workers have, and the most there is


class Workers:
    """Threads that pull work from one line. Safe to use from any thread."""

    def __init__(self, threads: int, max_waiting: int) -> None:
        """Take `threads` at work and `max_waiting` more items in the line."""
        self.threads = threads
        # Of a deque, each step is one for all threads: no lock is needed.
        self._line: deque[Callable[[], object]] = deque()
        self._resting: deque[threading.Lock] = deque()  # the bells of the threads that wait for work
        self._limit = threads + max_waiting
        self._inside = 0
        for number in range(threads):
            threading.Thread(target=self._work, name=f"graft-{number}", daemon=True).start()

    @contextmanager
    def admitted(self, items: int) -> Iterator[None]:
        """Hold a place for so many items of work; called on one thread, the event loop's.

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

    def do(self, work: Callable[[], object]) -> None:
        """Put `work`, which must not raise, at the end of the line."""
        self._line.append(work)
        with suppress(IndexError):
            self._resting.pop().release()  # who rested last: what it needs is still in its core's caches

    @property
    def idle(self) -> bool:
        """Tell whether nothing is waiting in the line."""
        return not self._line

    @property
    def resting(self) -> int:
        """How many threads wait for work, this moment."""
        return len(self._resting)

    def close(self) -> None:
        """Let the threads end, after what stands in the line."""
        for _ in range(self.threads):
            self.do(_end)

    def _work(self) -> None:
        bell = threading.Lock()
        bell.acquire()
        with suppress(SystemExit):
            while True:
                self._next(bell)()

    def _next(self, bell: threading.Lock) -> Callable[[], object]:
        """Return the work that stands first in the line; while there is none, rest until the bell rings."""
        while True:
            try:
                return self._line.popleft()
            except IndexError:
                self._resting.append(bell)
            if self._line:  # it came before the bell hung there
                with suppress(ValueError):  # somebody has taken the bell, and rings it
                    self._resting.remove(bell)
                    continue
            bell.acquire()


def background(name: str) -> ThreadPoolExecutor:
    """Return one thread for work that nobody waits for: where the system can, it gets what the workers leave.

    A new version is hashed, opened and replayed there. At the workers' own priority that doubled the time of the
    slowest requests (`benchmarks/serving/swaps.py`).
    """
    return ThreadPoolExecutor(1, name, initializer=_yield)


def _yield() -> None:
    if sys.platform == "linux":  # elsewhere it would be the whole process
        me = threading.get_native_id()
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, me, min(_NICEST, os.getpriority(os.PRIO_PROCESS, me) + _BEHIND))


def _end() -> None:
    raise SystemExit
