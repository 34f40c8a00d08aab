"""Prefetch: prepare the next batches on a worker thread while the current one is trained on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

PREFETCH_COUNT: Final = 2  # batches in the queue ahead of the current one
PreparedT = TypeVar("PreparedT")


def prefetch(prepare: Callable[[int], PreparedT], indices: range) -> Iterator[PreparedT]:
    """Yield `prepare(index)` for each of `indices` in order, up to two computed ahead on one worker thread.

    An exception of `prepare` is raised here, at its place in the order. When the iterator is closed, queued calls are
    cancelled and the thread ends.

    >>> list(prefetch(lambda index: index**2, range(4)))
    [0, 1, 4, 9]
    """
    with ThreadPoolExecutor(1, "batches") as thread:
        queue: deque[Future[PreparedT]] = deque()
        try:
            for index in indices:
                queue.append(thread.submit(prepare, index))
                if len(queue) > PREFETCH_COUNT:
                    yield queue.popleft().result()
            while queue:
                yield queue.popleft().result()
        finally:
            for future in queue:
                future.cancel()
