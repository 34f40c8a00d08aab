"""How many cores this process may really use."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Final

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
