"""How everything here is timed: alternated rounds in one run, medians, threads named."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Mapping


def seconds(work: Callable[[], object]) -> float:
    """Return the wall seconds of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def alternated(contenders: Mapping[str, Callable[[], object]], rounds: int = 7) -> dict[str, float]:
    """Return each contender's median wall seconds over `rounds` in turn, after one warm-up each."""
    for work in contenders.values():
        work()
    durations: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, work in contenders.items():
            durations[name].append(seconds(work))
    return {name: statistics.median(times) for name, times in durations.items()}


def in_threads(work: Callable[[], object], times: int, threads: int) -> Callable[[], None]:
    """Return a call that does `work` `times` times, shared by `threads` threads."""

    def together() -> None:
        def share() -> None:
            for _ in range(times // threads):
                work()

        team = [threading.Thread(target=share) for _ in range(threads)]
        for member in team:
            member.start()
        for member in team:
            member.join()

    return together
