"""Which backbones are worth their time here: published accuracy over measured milliseconds, and the Pareto frontier.

Accuracy is what is published for a network's weights in fp32. So a trunk in int8 is a point only where the catalog says
that its int8 is proven; and where only the speed of random weights was measured, the point says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from zoo.bench.bench_result import BenchResult, WeightsKind
from zoo.catalog.backbone import Backbone, ImageSpec, Precision


@dataclass(frozen=True, slots=True)
class ParetoPoint:
    """One trunk: how fast it is here, and how accurate it is by its publisher."""

    name: str
    precision: Precision
    weights: WeightsKind
    ms: float  # for one image alone on one thread
    top1: float  # in percent


def pareto_points(results: Iterable[BenchResult], backbones: Iterable[Backbone]) -> tuple[ParetoPoint, ...]:
    """Return a point for each measured trunk of an image network whose accuracy is published, the fastest first."""
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
    """Return the points than which none is both as fast and as accurate, the fastest first."""
    best: list[ParetoPoint] = []
    for point in sorted(candidates, key=lambda point: (point.ms, -point.top1)):
        if not best or point.top1 > best[-1].top1:
            best.append(point)
    return tuple(best)
