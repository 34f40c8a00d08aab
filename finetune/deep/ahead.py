"""Batches made one or two ahead on a thread, while the last one is learnt."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

AHEAD: Final = 2
Made = TypeVar("Made")


def ahead(make: Callable[[int], Made], numbers: range) -> Iterator[Made]:
    """Yield `make(number)` for each of `numbers` in order, made ahead on one thread.

    What `make` raises is raised here, in its turn.
    """
    with ThreadPoolExecutor(1, "batches") as thread:
        waiting: deque[Future[Made]] = deque()
        try:
            for number in numbers:
                waiting.append(thread.submit(make, number))
                if len(waiting) > AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for unmade in waiting:
                unmade.cancel()
