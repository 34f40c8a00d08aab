"""Benchmark results of this machine, kept in the cache as CACHE/bench/MACHINE.json. Imports nothing heavy.

Another processor, number of cores or ONNX Runtime version has another file, so that stale results are never used.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from graft.storage.atomic_file import write_atomic
from graft.storage.cache_root import cache_root
from graft.storage.locks import exclusive_lock
from zoo.bench.bench_result import BenchResult
from zoo.bench.machine import Machine, this_machine
from zoo.catalog.backbone import Backbone


def read_bench_results(machine: Machine) -> dict[str, BenchResult]:
    """Return the results of `machine` by backbone; those of pretrained weights replace those of random ones."""
    results: dict[str, BenchResult] = {}
    for facts in sorted(
        _read_file(bench_results_path(machine)).values(), key=lambda facts: facts.get("weights") != "random"
    ):
        try:
            result = BenchResult.from_dict(facts)
        except (KeyError, TypeError, AttributeError):
            continue  # written by another version
        results[result.name] = result
    return dict(sorted(results.items()))


def save_bench_result(machine: Machine, result: BenchResult) -> None:
    """Save a result; it replaces an older one of the same backbone and kind of weights.

    Raises:
        OSError: the cache cannot be written.
    """
    path = bench_results_path(machine)
    with exclusive_lock(path):
        known = _read_file(path) | {f"{result.name} {result.weights}": result.to_dict()}
        content = {"machine": asdict(machine), "measured": known}
        write_atomic(path, (json.dumps(content, indent=1) + "\n").encode())


def bench_results_path(machine: Machine) -> Path:
    """Return the path of the results file of `machine`."""
    return cache_root() / "bench" / f"{machine.key}.json"


def _read_file(path: Path) -> dict[str, Mapping[str, Any]]:
    """Return the results in a file; none if it is missing or damaged."""
    try:
        measured = json.loads(path.read_bytes())["measured"]
        return {str(key): facts for key, facts in measured.items() if isinstance(facts, dict)}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {}


@dataclass(frozen=True, slots=True)
class MachineResults:
    """A machine and the results measured on it."""

    machine: Machine
    results: Mapping[str, BenchResult]

    def ms_per_sample(self, backbone: Backbone) -> float | None:
        """Return milliseconds of one sample on one thread in the default precision; None if that was not measured."""
        result = self.results.get(backbone.name)
        speed = result.speed(backbone.precision) if result else None
        timing = speed.timing(1, 1) if speed else None
        return timing.ms if timing else None

    def result(self, backbone: Backbone) -> BenchResult | None:
        """Return the result of a backbone if it includes its default precision; else None."""
        return None if self.ms_per_sample(backbone) is None else self.results[backbone.name]

    def speed_facts(self, backbone: Backbone) -> dict[str, Any]:
        """Return the result of a backbone ready for JSON, and the milliseconds that `zoo list --fast` sorts by."""
        result = self.results.get(backbone.name)
        return {"ms_here": self.ms_per_sample(backbone), "measured_here": result.to_dict() if result else None}


def load_machine_results() -> MachineResults:
    """Return the saved results of this machine."""
    machine = this_machine()
    return MachineResults(machine, read_bench_results(machine))
