"""The axes of a chart: milliseconds on a logarithmic scale, percent on a plain one."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from zoo.bench.labels import Box


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
