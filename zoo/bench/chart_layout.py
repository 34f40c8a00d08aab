"""Where the labels of a chart go: beside their points, on no other label and no point.

The axes of a chart: milliseconds on a logarithmic scale, percent on a plain one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

_LABEL_DISTANCE: Final = 14.0  # pixels from a point's middle to its label


_RADIUS_STEP: Final = 11.0


_MAX_RADIUS: Final = 260.0


_DIRECTIONS: Final = 24  # directions that are tried


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels."""

    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: Box) -> bool:
        """Say whether two rectangles share a pixel."""
        across = self.left < other.right and other.left < self.right
        return across and self.top < other.bottom and other.top < self.bottom

    def is_inside(self, other: Box) -> bool:
        """Say whether it lies inside another."""
        across = other.left <= self.left and self.right <= other.right
        return across and other.top <= self.top and self.bottom <= other.bottom

    def nearest_point(self, x: float, y: float) -> tuple[float, float]:
        """Return the place in it that is nearest to (x, y): where a line to its point begins."""
        return min(max(x, self.left), self.right), min(max(y, self.top), self.bottom)


def line_boxes(corners: Sequence[tuple[float, float]], margin: float = 2.0) -> list[Box]:
    """Return what a line of upright and level pieces covers, with some room beside it."""
    return [
        Box(min(x, to_x) - margin, min(y, to_y) - margin, max(x, to_x) + margin, max(y, to_y) + margin)
        for (x, y), (to_x, to_y) in pairwise(corners)
    ]


def place_labels(
    labels: Sequence[tuple[float, float, float, float]], area: Box, obstacles: Iterable[Box]
) -> list[tuple[Box, bool] | None]:
    """Find a rectangle for the label of each point, in order: the first ones get the best places.

    `labels` are x and y of the point, width and height of the label. Each is answered by its rectangle and whether it
    is so far off that it needs a line to its point; by None where there is no room.
    """
    occupied = list(obstacles)
    placements: list[tuple[Box, bool] | None] = []
    for x, y, width, height in labels:
        place = next(
            (
                (box, far)
                for box, far in _candidate_boxes(x, y, width, height)
                if box.is_inside(area) and not any(map(box.overlaps, occupied))
            ),
            None,
        )
        placements.append(place)
        if place:
            occupied.append(place[0])
    return placements


def _candidate_boxes(x: float, y: float, width: float, height: float) -> Iterator[tuple[Box, bool]]:
    """Go through the places around a point: right, left, above, below, then in circles that grow."""
    yield Box(x + _LABEL_DISTANCE, y - height / 2, x + _LABEL_DISTANCE + width, y + height / 2), False
    yield Box(x - _LABEL_DISTANCE - width, y - height / 2, x - _LABEL_DISTANCE, y + height / 2), False
    yield Box(x - width / 2, y - _LABEL_DISTANCE - height, x + width / 2, y - _LABEL_DISTANCE), False
    yield Box(x - width / 2, y + _LABEL_DISTANCE, x + width / 2, y + _LABEL_DISTANCE + height), False
    radius = _LABEL_DISTANCE + _RADIUS_STEP
    while radius < _MAX_RADIUS:
        for step in range(_DIRECTIONS):
            angle = 2 * math.pi * step / _DIRECTIONS
            middle_x = x + math.cos(angle) * (radius + width / 2)
            middle_y = y + math.sin(angle) * (radius + height / 2)
            yield (
                Box(middle_x - width / 2, middle_y - height / 2, middle_x + width / 2, middle_y + height / 2),
                radius > 2 * _LABEL_DISTANCE,
            )
        radius += _RADIUS_STEP


@dataclass(frozen=True, slots=True)
class Axes:
    """What lies where in the pixels of `area`."""

    area: Box
    ms: tuple[float, float]
    percent: tuple[float, float]

    @classmethod
    def from_values(cls, area: Box, ms: Iterable[float], percent: Iterable[float]) -> Axes:
        """Return axes with room around what is shown; both are not empty."""
        times, accuracies = sorted(ms), sorted(percent)
        spread = max(1.15, (times[-1] / times[0]) ** 0.08)
        margin = max(1.0, (accuracies[-1] - accuracies[0]) * 0.1)
        return cls(
            area, (times[0] / spread, times[-1] * spread), (accuracies[0] - margin, min(100.0, accuracies[-1] + margin))
        )

    def x(self, ms: float) -> float:
        """Return the pixel of a time."""
        low, high = map(math.log, self.ms)
        return self.area.left + (math.log(ms) - low) / (high - low) * (self.area.right - self.area.left)

    def y(self, percent: float) -> float:
        """Return the pixel of an accuracy."""
        low, high = self.percent
        return self.area.bottom - (percent - low) / (high - low) * (self.area.bottom - self.area.top)

    def time_ticks(self) -> list[float]:
        """Return the times that get a line: 1, 2, 5, 10, ...; finer where few of them are in sight."""
        low, high = self.ms
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        for steps in ((1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9)):
            marks = [step * 10.0**power for power in powers for step in steps if low <= step * 10.0**power <= high]
            if len(marks) > 2:
                break
        return marks

    def percent_ticks(self) -> list[float]:
        """Return the accuracies that get a line."""
        low, high = self.percent
        step = next(step for step in (0.5, 1, 2, 5, 10, 20) if (high - low) / step <= 10)
        return [step * number for number in range(math.ceil(low / step), math.floor(high / step) + 1)]
