"""Where the labels of a chart go: beside their points, on no other label and no point."""

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
