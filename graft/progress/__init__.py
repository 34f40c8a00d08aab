"""Progress reporting: the protocol that functions report to, and one that is silent.

`graft.progress.terminal` draws progress bars, `graft.progress.json_lines` writes events for programs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

MetricValues = Mapping[str, float | int]


class ProgressBar(Protocol):
    """A progress bar in use."""

    def advance(self, steps: int = 1) -> None:
        """Advance the bar by `steps`."""


class Progress(Protocol):
    """Receives log lines, metrics and progress bars."""

    def bar(self, what: str, total: int | None, unit: str = "") -> AbstractContextManager[ProgressBar]:
        """Open a progress bar.

        Args:
            what: the label of the bar.
            total: the number of steps; None if it is unknown.
            unit: "B" if steps are bytes.
        """

    def log(self, line: str) -> None:
        """Log one line of text."""

    def log_metrics(self, what: str, metrics: MetricValues) -> None:
        """Log metrics by name, such as those of an epoch.

        Those of an epoch are epoch, of (the number of epochs), loss, val_loss, val_score, rate (the learning rate),
        seconds and seconds_left.
        """


class SilentProgress:
    """A Progress that reports nothing; the default of every library function."""

    @contextmanager
    def bar(self, what: str, total: int | None, unit: str = "") -> Iterator[ProgressBar]:
        """Yield a bar that shows nothing."""
        yield self

    def log(self, line: str) -> None:
        """Do nothing."""

    def log_metrics(self, what: str, metrics: MetricValues) -> None:
        """Do nothing."""

    def advance(self, steps: int = 1) -> None:
        """Do nothing."""
