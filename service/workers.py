"""Work off the event loop: one thread a core, all pulling from one line, and a bounded crowd before them.

No thread waits for the event loop between two pieces of work: whatever is next in line is already there. That is
most of the difference between two thirds of the machine's speed and nearly all of it (docs/serving.md).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue

from zoo.errors import Overloaded


class Workers:
    """Threads that pull work from one line. Safe to use from any thread."""

    def __init__(self, threads: int, max_waiting: int) -> None:
        """Take `threads` at work and `max_waiting` more items in the line."""
        self.threads = threads
        self._line: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._resting: set[int] = set()  # the threads that wait for work
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
        self._line.put(work)

    @property
    def idle(self) -> bool:
        """Tell whether nothing is waiting in the line."""
        return self._line.empty()

    @property
    def resting(self) -> int:
        """How many threads wait for work, this moment."""
        return len(self._resting)

    def close(self) -> None:
        """Let the threads end, after what stands in the line."""
        for _ in range(self.threads):
            self._line.put(None)

    def _work(self) -> None:
        me = threading.get_ident()
        while True:
            self._resting.add(me)  # of a set, one step each: no lock needed
            work = self._line.get()
            self._resting.discard(me)
            if work is None:
                return
            work()
            del work  # what it holds (an image, an answer) must not live until the next one comes
