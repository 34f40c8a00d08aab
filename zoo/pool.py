"""Work on as many threads as there are cores, a bounded piece of it at a time, answered in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

from zoo.cores import cores

Work = TypeVar("Work")
Done = TypeVar("Done")


@contextmanager
def crew(threads: int | None = None) -> Iterator[ThreadPoolExecutor]:
    """Open a pool of `threads`, by default one for each core; what it has not begun at the end is dropped."""
    pool = ThreadPoolExecutor(threads or cores(), thread_name_prefix="graft")
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def done_by(
    pool: ThreadPoolExecutor, work: Callable[[Work], Done], things: Iterable[Work], ahead: int
) -> Iterator[Done]:
    """Yield `work` of each thing, in order; never more than `ahead` of them are under way or wait to be taken."""
    tasks = iter(things)
    running: deque[Future[Done]] = deque(pool.submit(work, thing) for thing in islice(tasks, ahead))
    while running:
        done = running.popleft().result()
        running.extend(pool.submit(work, thing) for thing in islice(tasks, 1))
        yield done


def cut(things: Iterable[Work], size: int) -> Iterator[list[Work]]:
    """Cut what comes into lists of `size`; the last may be shorter."""
    left = iter(things)
    while some := list(islice(left, size)):
        yield some
