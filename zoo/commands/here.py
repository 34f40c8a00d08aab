"""What `zoo list` and `zoo show` tell of speeds on this machine."""

from __future__ import annotations

from typing import Any

from zoo.backbone import Backbone
from zoo.bench.here import Here


def measured_facts(backbone: Backbone, measured: Here | None) -> dict[str, Any]:
    """Return what was measured here, for programs: all of it, and the one number that orders the list."""
    if measured is None:
        return {}
    result = measured.results.get(backbone.name)
    return {"ms_here": measured.ms(backbone), "measured_here": result.facts() if result else None}


def speed_told(backbone: Backbone, measured: Here) -> str:
    """Say how fast a backbone is here, in each precision."""
    result = measured.results.get(backbone.name)
    if result is None:
        return "not measured; `zoo bench` does"
    unit = f"text of {result.tokens} tokens" if result.tokens else "image"
    alone = [(speed.precision, timing.ms) for speed in result.speeds if (timing := speed.timing(1, 1))]
    random = ", with random weights" if result.weights == "random" else ""
    return ", ".join(f"{ms:.2f} ms in {precision}" for precision, ms in alone) + f", for one {unit}{random}"
