"""Which backbones are worth their time here: published accuracy over measured milliseconds, and the Pareto frontier.

Accuracy is what is published for a network's weights in fp32. So a trunk in int8 is a point only where the catalog says
that its int8 is proven; and where only the speed of random weights was measured, the point says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from zoo.backbone import Backbone, Pixels, Precision
from zoo.bench.speed import Result, Weights


@dataclass(frozen=True, slots=True)
class Point:
    """One trunk: how fast it is here, and how accurate it is by its publisher."""

    name: str
    precision: Precision
    weights: Weights
    ms: float  # for one image alone on one thread
    top1: float  # in percent


def points(results: Iterable[Result], catalog: Iterable[Backbone]) -> tuple[Point, ...]:
    """Return a point for each measured trunk of an image network whose accuracy is published, the fastest first."""
    entries = {entry.name: entry for entry in catalog if isinstance(entry.takes, Pixels)}
    found = []
    for result in results:
        entry = entries.get(result.name)
        if entry is None or entry.top1 is None:
            continue
        for precision in dict.fromkeys((Precision.FP32, entry.precision)):
            speed = result.speed(precision)
            if speed and (timing := speed.timing(1, 1)):
                found.append(Point(entry.name, precision, result.weights, timing.ms, entry.top1))
    return tuple(sorted(found, key=lambda point: (point.ms, -point.top1, point.name)))


def frontier(found: Sequence[Point]) -> tuple[Point, ...]:
    """Return the points than which none is both as fast and as accurate, the fastest first."""
    best: list[Point] = []
    for point in sorted(found, key=lambda point: (point.ms, -point.top1)):
        if not best or point.top1 > best[-1].top1:
            best.append(point)
    return tuple(best)
