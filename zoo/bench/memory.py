"""What was measured on this machine, as a file in the cache: CACHE/bench/MACHINE.json. Light.

Another processor, another number of cores or another ONNX Runtime has another file: nothing stale is read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from zoo.bench.machine import Machine
from zoo.bench.speed import BenchResult
from zoo.files import cache_root, exclusive_lock, write_atomic


def read_bench_results(machine: Machine) -> dict[str, BenchResult]:
    """Return what was measured on `machine`, by backbone; real weights go before random ones."""
    results: dict[str, BenchResult] = {}
    for facts in sorted(
        _read_file(bench_results_path(machine)).values(), key=lambda facts: facts.get("weights") != "random"
    ):
        try:
            result = BenchResult.from_dict(facts)
        except (KeyError, TypeError, AttributeError):
            continue  # of another Graft
        results[result.name] = result
    return dict(sorted(results.items()))


def save_bench_result(machine: Machine, result: BenchResult) -> None:
    """Put a result in the place of an older one of the same backbone and kind of weights.

    Raises:
        OSError: the cache cannot be written.
    """
    path = bench_results_path(machine)
    with exclusive_lock(path):
        known = _read_file(path) | {f"{result.name} {result.weights}": result.to_dict()}
        content = {"machine": asdict(machine), "measured": known}
        write_atomic(path, (json.dumps(content, indent=1) + "\n").encode())


def bench_results_path(machine: Machine) -> Path:
    """Return the file of what was measured on `machine`."""
    return cache_root() / "bench" / f"{machine.key}.json"


def _read_file(path: Path) -> dict[str, Mapping[str, Any]]:
    """Return the results in a file; none of one that is not there or damaged."""
    try:
        measured = json.loads(path.read_bytes())["measured"]
        return {str(key): facts for key, facts in measured.items() if isinstance(facts, dict)}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {}
