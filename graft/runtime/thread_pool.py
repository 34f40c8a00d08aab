"""Work on as many threads as there are cores, a bounded piece of it at a time, answered in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

from graft.runtime.cpu_cores import available_cores

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


@contextmanager
def thread_pool(threads: int | None = None) -> Iterator[ThreadPoolExecutor]:
    """Open a pool of `threads`, by default one for each core; what it has not begun at the end is dropped."""
    pool = ThreadPoolExecutor(threads or available_cores(), thread_name_prefix="graft")
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def map_ordered(
    pool: ThreadPoolExecutor, function: Callable[[ItemT], ResultT], items: Iterable[ItemT], prefetch: int
) -> Iterator[ResultT]:
    """Yield `function` of each thing, in order; never more than `prefetch` of them are under way or wait to be taken."""
    tasks = iter(items)
    futures: deque[Future[ResultT]] = deque(pool.submit(function, thing) for thing in islice(tasks, prefetch))
    while futures:
        result = futures.popleft().result()
        futures.extend(pool.submit(function, thing) for thing in islice(tasks, 1))
        yield result


def batched(items: Iterable[ItemT], size: int) -> Iterator[list[ItemT]]:
    """Cut what comes into lists of `size`; the last may be shorter."""
    remaining_items = iter(items)
    while batch := list(islice(remaining_items, size)):
        yield batch
