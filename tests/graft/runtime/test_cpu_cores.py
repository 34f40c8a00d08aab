from __future__ import annotations

import os
from pathlib import Path

import pytest

from graft.runtime.cpu_cores import available_cores

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
