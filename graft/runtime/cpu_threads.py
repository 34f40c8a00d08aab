"""CPU cores that this process may use, and thread pools that work through an iterable in order."""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Final, TypeVar

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

CGROUP_ROOT: Final = Path("/sys/fs/cgroup")


def available_cores(cgroup: Path = CGROUP_ROOT) -> int:
    """Return the number of CPU cores of the process's affinity, or of its container's CPU quota if that is lower."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(affinity, math.ceil(_cgroup_cpu_quota(cgroup))))


def _cgroup_cpu_quota(cgroup: Path) -> float:
    """Return the CPU quota of cgroup v2 or v1 in cores; a huge number if there is none."""
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota, period = ((cgroup / "cpu" / f"cpu.cfs_{what}_us").read_text() for what in ("quota", "period"))
        except OSError:
            return 1e9
    return 1e9 if quota.strip() in ("max", "-1") else int(quota) / int(period)


@contextmanager
def thread_pool(threads: int | None = None) -> Iterator[ThreadPoolExecutor]:
    """Open a thread pool, by default with one thread per core; work not started when the block ends is cancelled."""
    pool = ThreadPoolExecutor(threads or available_cores(), thread_name_prefix="graft")
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def map_ordered(
    pool: ThreadPoolExecutor, function: Callable[[ItemT], ResultT], items: Iterable[ItemT], prefetch: int
) -> Iterator[ResultT]:
    """Yield `function(item)` for each item, in order; at most `prefetch` results are computed ahead.

    >>> with thread_pool(2) as pool:
    ...     list(map_ordered(pool, str.upper, "abc", prefetch=2))
    ['A', 'B', 'C']
    """
    tasks = iter(items)
    futures: deque[Future[ResultT]] = deque(pool.submit(function, item) for item in islice(tasks, prefetch))
    while futures:
        result = futures.popleft().result()
        futures.extend(pool.submit(function, item) for item in islice(tasks, 1))
        yield result


def batched(items: Iterable[ItemT], size: int) -> Iterator[list[ItemT]]:
    """Yield the items in lists of `size`; the last one may be shorter.

    >>> list(batched(range(5), 2))
    [[0, 1], [2, 3], [4]]
    """
    remaining_items = iter(items)
    while batch := list(islice(remaining_items, size)):
        yield batch
