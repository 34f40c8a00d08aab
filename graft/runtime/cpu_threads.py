"""Work on as many threads as there are cores, a bounded piece of it at a time, answered in order."""

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
    """Return the cores of the process's affinity, or of its container's quota where that is fewer."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(affinity, math.ceil(_cgroup_cpu_quota(cgroup))))


def _cgroup_cpu_quota(cgroup: Path) -> float:
    """Return the CPU quota in cores; infinite where there is none."""
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
