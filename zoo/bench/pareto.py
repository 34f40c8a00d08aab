"""The Pareto frontier of backbones: published accuracy against the milliseconds measured on this machine.

The accuracy is published for the fp32 weights. So an int8 trunk is a point only if the catalog has its int8 as proven;
a point whose speed was measured with random weights is marked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from zoo.bench.bench_result import BenchResult, WeightsKind
from zoo.catalog.backbone import Backbone, ImageSpec, Precision


@dataclass(frozen=True, slots=True)
class ParetoPoint:
    """One trunk: its measured speed and its published accuracy."""

    name: str
    precision: Precision
    weights: WeightsKind
    ms: float  # one image on one thread
    top1: float  # percent


def pareto_points(results: Iterable[BenchResult], backbones: Iterable[Backbone]) -> tuple[ParetoPoint, ...]:
    """Return a point for each measured trunk of an image network with a published accuracy, the fastest first."""
    entries = {entry.name: entry for entry in backbones if isinstance(entry.takes, ImageSpec)}
    plotted = []
    for result in results:
        entry = entries.get(result.name)
        if entry is None or entry.top1 is None:
            continue
        for precision in dict.fromkeys((Precision.FP32, entry.precision)):
            speed = result.speed(precision)
            if speed and (timing := speed.timing(1, 1)):
                plotted.append(ParetoPoint(entry.name, precision, result.weights, timing.ms, entry.top1))
    return tuple(sorted(plotted, key=lambda point: (point.ms, -point.top1, point.name)))


def pareto_frontier(candidates: Sequence[ParetoPoint]) -> tuple[ParetoPoint, ...]:
    """Return the Pareto-optimal points, the fastest first: no other point is at least as fast and as accurate.

    >>> def point(name, ms, top1): return ParetoPoint(name, Precision.FP32, "pretrained", ms, top1)
    >>> points = [point("small", 2.0, 67.7), point("slow", 9.0, 70.0), point("good", 5.0, 75.1)]
    >>> [one.name for one in pareto_frontier(points)]
    ['small', 'good']
    """
    best: list[ParetoPoint] = []
    for point in sorted(candidates, key=lambda point: (point.ms, -point.top1)):
        if not best or point.top1 > best[-1].top1:
            best.append(point)
    return tuple(best)
