"""A `Progress` that remembers the lines, metrics and bars it was given, for tests to look at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from graft.progress import MetricValues


class CountingBar:
    """A progress bar that only counts."""

    def __init__(self) -> None:
        self.steps = 0

    def advance(self, steps: int = 1) -> None:
        self.steps += steps


class Listener:
    """Remembers every line, every epoch's metrics, and every closed bar as (text, total, steps)."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.epochs: list[MetricValues] = []
        self.bars: list[tuple[str, int | None, int]] = []

    def log(self, line: str) -> None:
        self.lines.append(line)

    def log_metrics(self, what: str, metrics: MetricValues) -> None:
        assert what == "epoch"
        self.epochs.append(metrics)

    @contextmanager
    def bar(self, what: str, total: int | None, unit: str = "") -> Iterator[CountingBar]:
        bar = CountingBar()
        yield bar
        self.bars.append((what, total, bar.steps))
