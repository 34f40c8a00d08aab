"""Progress: how whoever works tells how far things are. Light; `graft.progress.terminal` shows it, `graft.progress.json_lines` writes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

MetricValues = Mapping[str, float | int]


class ProgressBar(Protocol):
    """One thing under way."""

    def advance(self, steps: int = 1) -> None:
        """Say that `steps` more are done."""


class Progress(Protocol):
    """Whoever wants to hear how far things are."""

    def bar(self, what: str, total: int | None, unit: str = "") -> AbstractContextManager[ProgressBar]:
        """Open a bar for `what` of `total` steps; None where that is unknown, "B" counts bytes."""

    def log(self, line: str) -> None:
        """Tell one line of text."""

    def log_metrics(self, what: str, metrics: MetricValues) -> None:
        """Tell how it goes in numbers, such as those of an epoch; keys as programs want to read them.

        Of an epoch: epoch, of, loss, val_loss, val_score, rate, seconds, seconds_left.
        """


class SilentProgress:
    """Hears nothing; the default of every library function."""

    @contextmanager
    def bar(self, what: str, total: int | None, unit: str = "") -> Iterator[ProgressBar]:
        """Open a bar that nobody sees."""
        yield self

    def log(self, line: str) -> None:
        """Say nothing."""

    def log_metrics(self, what: str, metrics: MetricValues) -> None:
        """Tell nothing."""

    def advance(self, steps: int = 1) -> None:
        """Count nothing."""
