"""Where the labels of a chart go: beside their points, on no other label and no point."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

_NEAR: Final = 14.0  # pixels from a point's middle to its label
_STEP: Final = 11.0
_FAR: Final = 260.0
_AROUND: Final = 24  # directions that are tried


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: Box) -> bool:
        """Say whether two rectangles share a pixel."""
        across = self.left < other.right and other.left < self.right
        return across and self.top < other.bottom and other.top < self.bottom

    def within(self, other: Box) -> bool:
        """Say whether it lies inside another."""
        across = other.left <= self.left and self.right <= other.right
        return across and other.top <= self.top and self.bottom <= other.bottom

    def nearest(self, x: float, y: float) -> tuple[float, float]:
        """Return the place in it that is nearest to (x, y): where a line to its point begins."""
        return min(max(x, self.left), self.right), min(max(y, self.top), self.bottom)


def along(corners: Sequence[tuple[float, float]], room: float = 2.0) -> list[Box]:
    """Return what a line of upright and level pieces covers, with some room beside it."""
    return [
        Box(min(x, to_x) - room, min(y, to_y) - room, max(x, to_x) + room, max(y, to_y) + room)
        for (x, y), (to_x, to_y) in pairwise(corners)
    ]


def placed(
    wanted: Sequence[tuple[float, float, float, float]], area: Box, taken: Iterable[Box]
) -> list[tuple[Box, bool] | None]:
    """Find a rectangle for the label of each point, in order: the first ones get the best places.

    `wanted` are x and y of the point, width and height of the label. Each is answered by its rectangle and whether it
    is so far off that it needs a line to its point; by None where there is no room.
    """
    full = list(taken)
    found: list[tuple[Box, bool] | None] = []
    for x, y, width, height in wanted:
        place = next(
            (
                (box, far)
                for box, far in _around(x, y, width, height)
                if box.within(area) and not any(map(box.meets, full))
            ),
            None,
        )
        found.append(place)
        if place:
            full.append(place[0])
    return found


def _around(x: float, y: float, width: float, height: float) -> Iterator[tuple[Box, bool]]:
    """Go through the places around a point: right, left, above, below, then in circles that grow."""
    yield Box(x + _NEAR, y - height / 2, x + _NEAR + width, y + height / 2), False
    yield Box(x - _NEAR - width, y - height / 2, x - _NEAR, y + height / 2), False
    yield Box(x - width / 2, y - _NEAR - height, x + width / 2, y - _NEAR), False
    yield Box(x - width / 2, y + _NEAR, x + width / 2, y + _NEAR + height), False
    radius = _NEAR + _STEP
    while radius < _FAR:
        for step in range(_AROUND):
            angle = 2 * math.pi * step / _AROUND
            middle_x = x + math.cos(angle) * (radius + width / 2)
            middle_y = y + math.sin(angle) * (radius + height / 2)
            yield (
                Box(middle_x - width / 2, middle_y - height / 2, middle_x + width / 2, middle_y + height / 2),
                radius > 2 * _NEAR,
            )
        radius += _STEP
