"""Identify the machine that a benchmark holds for: processor, cores, ONNX Runtime. Imports nothing heavy."""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
import sys
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from graft.runtime.cpu_threads import available_cores

CPUINFO: Final = Path("/proc/cpuinfo")
_CPU_FIELDS: Final = ("cpu family", "model", "stepping", "CPU implementer", "CPU part")  # x86's, then ARM's
_ONNXRUNTIME_PACKAGES: Final = ("onnxruntime", "onnxruntime-gpu")
_KEY_LENGTH: Final = 16  # hexadecimal digits of a key


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What determines speed, and may differ between two users of one cache."""

    cpu: str
    features: str  # hash of the CPU flags: a hypervisor may hide some, and the speed of int8 depends on them
    cores: int  # that this process may use
    onnxruntime: str

    @property
    def key(self) -> str:
        """The name of the results file of this machine, hexadecimal."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:_KEY_LENGTH]

    def __str__(self) -> str:
        return f"{self.cpu}, {self.cores} {'cores' if self.cores > 1 else 'core'}, ONNX Runtime {self.onnxruntime}"


def this_machine(cpuinfo: Path = CPUINFO) -> Machine:
    """Return this machine; its `onnxruntime` is "none" if that is not installed."""
    facts = _first_processor(cpuinfo)
    features = facts.get("flags") or facts.get("Features", "")
    return Machine(
        cpu=_cpu_name(facts),
        features=hashlib.sha256(" ".join(sorted(features.split())).encode()).hexdigest()[:_KEY_LENGTH],
        cores=available_cores(),
        onnxruntime=_onnxruntime_version(),
    )


def _first_processor(cpuinfo: Path) -> dict[str, str]:
    """Return the fields of the first processor in /proc/cpuinfo; none on other systems than Linux."""
    try:
        first = cpuinfo.read_text(errors="replace").split("\n\n", 1)[0]
    except OSError:
        return {}
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _cpu_name(facts: dict[str, str]) -> str:
    """Return the processor's name with family and model numbers: many share one name ("AMD EPYC")."""
    name = facts.get("model name") or (_mac_cpu_name() if sys.platform == "darwin" else platform.processor())
    numbers = [f"{key.removeprefix('cpu ').removeprefix('CPU ')} {facts[key]}" for key in _CPU_FIELDS if key in facts]
    return f"{name or platform.machine()} ({', '.join(numbers)})" if numbers else name or platform.machine()


def _mac_cpu_name() -> str:
    result = subprocess.run(["sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, text=True, check=False)
    return result.stdout.strip()


def _onnxruntime_version() -> str:
    for package in _ONNXRUNTIME_PACKAGES:
        try:
            return version(package)
        except PackageNotFoundError:
            continue
    return "none"
