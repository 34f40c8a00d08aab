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
from zoo.bench.speed import Result
from zoo.files import cache_root, locked, write_whole


def remembered(machine: Machine) -> dict[str, Result]:
    """Return what was measured on `machine`, by backbone; real weights go before random ones."""
    found: dict[str, Result] = {}
    for facts in sorted(_read(path_of(machine)).values(), key=lambda facts: facts.get("weights") != "random"):
        try:
            result = Result.of(facts)
        except (KeyError, TypeError, AttributeError):
            continue  # of another Graft
        found[result.name] = result
    return dict(sorted(found.items()))


def remember(machine: Machine, result: Result) -> None:
    """Put a result in the place of an older one of the same backbone and kind of weights.

    Raises:
        OSError: the cache cannot be written.
    """
    path = path_of(machine)
    with locked(path):
        known = _read(path) | {f"{result.name} {result.weights}": result.facts()}
        told = {"machine": asdict(machine), "measured": known}
        write_whole(path, (json.dumps(told, indent=1) + "\n").encode())


def path_of(machine: Machine) -> Path:
    """Return the file of what was measured on `machine`."""
    return cache_root() / "bench" / f"{machine.key}.json"


def _read(path: Path) -> dict[str, Mapping[str, Any]]:
    """Return the results in a file; none of one that is not there or damaged."""
    try:
        measured = json.loads(path.read_bytes())["measured"]
        return {str(key): facts for key, facts in measured.items() if isinstance(facts, dict)}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {}
