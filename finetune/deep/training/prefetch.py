"""Batches made one or two ahead on a thread, while the last one is learnt."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

PREFETCH_COUNT: Final = 2
PreparedT = TypeVar("PreparedT")


def prefetch(make: Callable[[int], PreparedT], indices: range) -> Iterator[PreparedT]:
    """Yield `make(number)` for each of `indices` in order, made ahead on one thread.

    What `make` raises is raised here, in its turn.
    """
    with ThreadPoolExecutor(1, "batches") as thread:
        waiting: deque[Future[PreparedT]] = deque()
        try:
            for number in indices:
                waiting.append(thread.submit(make, number))
                if len(waiting) > PREFETCH_COUNT:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
