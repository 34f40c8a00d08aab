"""Where the time of one request goes: its stages by the server's own metrics, and the CPU time of its threads.

Stages are wall time, from `/metrics`; the event loop's and the workers' CPU time are what Linux says of the threads.
"""

from __future__ import annotations

import os
import re
import subprocess
import urllib.request
from pathlib import Path

from benchmarks.serving.bench import Bench
from benchmarks.serving.claims import Claim, Data
from benchmarks.serving.contender import free_port
from benchmarks.serving.ours import FP32, INT8

TOGETHER = (1, 8)
STAGES = ("queue", "decode", "trunk", "head", "request")


def measure(bench: Bench) -> Data:
    """Return {contender: {concurrency: microseconds of a request, by stage}}."""
    figures: Data = {}
    for contender in (FP32, INT8):
        port = free_port()
        with contender.serve(bench.models_of(contender, "jpeg"), "jpeg", port) as process:
            bench.load(contender, "jpeg", port, 2 * bench.cores, 1.0)
            figures[contender.name] = {str(n): one(bench, contender, process, port, n) for n in TOGETHER}
            for number, row in figures[contender.name].items():
                print(f"  {contender.name:10} {number}  " + "  ".join(f"{k} {v:.0f} us" for k, v in row.items()))
    return figures


def one(bench: Bench, contender: object, process: subprocess.Popen[bytes], port: int, connections: int) -> Data:
    """Load the server and say what each request took, in microseconds."""
    before, loop, all_ = sums(port), *cpu(process.pid)
    outcome = bench.load(contender, "jpeg", port, connections)  # type: ignore[arg-type]
    after, loop_after, all_after = sums(port), *cpu(process.pid)
    requests = after["request"][1] - before["request"][1]
    row = {stage: (after[stage][0] - before[stage][0]) / (after[stage][1] - before[stage][1]) * 1e6 for stage in STAGES}
    row |= {
        "loop_cpu": (loop_after - loop) / requests,
        "workers_cpu": (all_after - loop_after - all_ + loop) / requests,
    }
    return row | {"client_p50": outcome.percentile(0.5) * 1e6}


def sums(port: int) -> dict[str, tuple[float, float]]:
    """Return the seconds and the count of each stage until now."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        text = answer.read().decode()
    figures = re.findall(r"^graft_(\w+)_seconds_(sum|count)\{.*?\} (\S+)$", text, re.MULTILINE)
    totals = {(stage, kind): float(value) for stage, kind, value in figures}
    return {stage: (totals[stage, "sum"], totals[stage, "count"]) for stage in STAGES}


def cpu(pid: int) -> tuple[float, float]:
    """Return the microseconds of CPU that the event loop's thread, and all threads together, have had."""
    tasks = Path(f"/proc/{pid}/task")
    had = {task: int((tasks / task / "schedstat").read_text().split()[0]) / 1e3 for task in os.listdir(tasks)}
    return had[str(pid)], sum(had.values())


def claims(data: Data) -> list[Claim]:
    """Nothing is asked of a profile."""
    return []
