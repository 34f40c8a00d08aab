"""CPU cores by affinity and cgroup quota; work on a thread pool: in order, bounded, cancelled on errors."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from graft.runtime.cpu_threads import available_cores, batched, map_ordered, thread_pool

ALL = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


@pytest.mark.parametrize(
    ("file", "text", "expected"),
    [
        ("cpu.max", "max 100000", ALL),
        ("cpu.max", "100000 100000\n", 1),
        ("cpu.max", "50000 100000", 1),
        ("cpu.max", "99900000 100000", ALL),
    ],
)
def test_cpu_count_obeys_a_cgroup_quota(tmp_path: Path, file: str, text: str, expected: int) -> None:
    (tmp_path / file).write_text(text)
    assert available_cores(tmp_path) == expected


@pytest.mark.parametrize(("quota", "expected"), [("-1", ALL), ("100000", 1)])
def test_cpu_count_obeys_a_cgroup_v1_quota(tmp_path: Path, quota: str, expected: int) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(quota + "\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert available_cores(tmp_path) == expected


def test_cpu_count_without_a_quota_is_the_affinity(tmp_path: Path) -> None:
    assert available_cores(tmp_path) == ALL


def test_map_ordered_keeps_order() -> None:
    first = threading.Event()

    def work(number: int) -> int:
        assert number or first.wait(30)
        first.set()
        return number

    with thread_pool(2) as pool:
        assert list(map_ordered(pool, work, range(50), 4)) == list(range(50))


def test_map_ordered_takes_only_a_bounded_number_ahead() -> None:
    taken = 0

    def things() -> object:
        nonlocal taken
        while True:
            taken += 1
            yield taken

    with thread_pool(2) as pool:
        answers = map_ordered(pool, str, things(), 6)
        assert [next(answers) for _ in range(10)] == [str(number) for number in range(1, 11)]
        assert taken <= 16


def test_map_ordered_error_drops_waiting_work() -> None:
    begun: list[int] = []

    def work(number: int) -> None:
        begun.append(number)
        if number == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), thread_pool(1) as pool:
        list(map_ordered(pool, work, range(1000), 10))
    assert len(begun) < 20


def test_batched_yields_every_item() -> None:
    assert list(batched(range(7), 3)) == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(batched([], 3)) == []
