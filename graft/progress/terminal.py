"""Progress bars with the time left, and log lines, on standard error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as RichProgress

from graft.progress import MetricValues, ProgressBar, SilentProgress

METRIC_TITLES: Final = {"val_loss": "validation loss", "val_score": "score"}
UNLABELLED_METRICS: Final = ("of", "seconds_left")  # shown beside another value, or at the end of the line


class TerminalProgress:
    """Draws progress bars on standard error; writes plain lines if that is not a terminal."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False)

    @contextmanager
    def bar(self, what: str, total: int | None, unit: str = "") -> Iterator[ProgressBar]:
        """Draw a bar that vanishes when it is complete; without a terminal, print one line."""
        if not self.console.is_terminal:
            self.log(f"{what} ...")
            yield SilentProgress()
            return
        count: ProgressColumn = DownloadColumn() if unit == "B" else MofNCompleteColumn()
        left: ProgressColumn = TimeRemainingColumn() if total else TimeElapsedColumn()
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), count, left)
        with RichProgress(*columns, console=self.console, transient=True) as rich_progress:
            yield _TerminalBar(rich_progress, what, total)

    def log(self, line: str) -> None:
        """Print one line."""
        self.console.print(line, markup=False, soft_wrap=True)

    def log_metrics(self, what: str, metrics: MetricValues) -> None:
        """Print one line: epoch 3/8   loss 0.4121   validation loss 0.392   score 0.981   1 min 20 s left."""
        self.log(format_metrics(what, metrics))


class _TerminalBar:
    def __init__(self, rich_progress: RichProgress, what: str, total: int | None) -> None:
        self._rich_progress, self._task = rich_progress, rich_progress.add_task(what, total=total)

    def advance(self, steps: int = 1) -> None:
        self._rich_progress.advance(self._task, steps)


def format_metrics(what: str, metrics: MetricValues) -> str:
    """Return metrics as one line; the one called `what` comes first, as 3/8 if there is an `of`.

    >>> format_metrics("epoch", {"epoch": 3, "of": 8, "loss": 0.412})
    'epoch 3/8   loss 0.412'
    """
    count = f" {metrics[what]:g}" + (f"/{metrics['of']:g}" if "of" in metrics else "") if what in metrics else ""
    parts = [what + count]
    for name, value in metrics.items():
        if name == "seconds":
            parts.append(format_duration(value))
        elif name != what and name not in UNLABELLED_METRICS:
            parts.append(f"{METRIC_TITLES.get(name, name.replace('_', ' '))} {value:.4g}")
    if "seconds_left" in metrics:
        parts.append(f"{format_duration(metrics['seconds_left'])} left")
    return "   ".join(parts)


def format_duration(seconds: float) -> str:
    """Return a duration in readable units.

    >>> [format_duration(seconds) for seconds in (0.44, 12, 80, 7500)]
    ['0.4 s', '12 s', '1 min 20 s', '2 h 5 min']
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
