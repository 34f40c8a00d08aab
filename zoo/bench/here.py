"""What is known of speeds on this machine, to list backbones by. Light."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zoo.backbone import Backbone
from zoo.bench.machine import Machine, this_machine
from zoo.bench.memory import read_bench_results
from zoo.bench.speed import BenchResult


@dataclass(frozen=True, slots=True)
class MachineResults:
    """A machine, and what was measured on it."""

    machine: Machine
    results: Mapping[str, BenchResult]

    def ms_per_sample(self, backbone: Backbone) -> float | None:
        """Return milliseconds of one sample alone on one thread, in a backbone's own precision; None: unmeasured."""
        result = self.results.get(backbone.name)
        speed = result.speed(backbone.precision) if result else None
        timing = speed.timing(1, 1) if speed else None
        return timing.ms if timing else None

    def result(self, backbone: Backbone) -> BenchResult | None:
        """Return all that was measured of a backbone, if that says how fast it is in its own precision."""
        return None if self.ms_per_sample(backbone) is None else self.results[backbone.name]

    def speed_facts(self, backbone: Backbone) -> dict[str, Any]:
        """Return what was measured of a backbone, for programs: all of it, and the number that orders a list."""
        result = self.results.get(backbone.name)
        return {"ms_here": self.ms_per_sample(backbone), "measured_here": result.to_dict() if result else None}


def load_machine_results() -> MachineResults:
    """Return what is remembered of this machine."""
    machine = this_machine()
    return MachineResults(machine, read_bench_results(machine))
