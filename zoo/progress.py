"""Progress with time left, for whatever takes more than two seconds; always on standard error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

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


class Bar(Protocol):
    """One thing under way."""

    def advance(self, steps: int = 1) -> None:
        """Say that `steps` more are done."""


class Progress(Protocol):
    """Whoever wants to hear how far things are."""

    def bar(self, what: str, total: int | None, unit: str = "") -> AbstractContextManager[Bar]:
        """Open a bar for `what` of `total` steps; None where that is unknown, "B" counts bytes."""

    def say(self, line: str) -> None:
        """Tell one line of text."""


class Silence:
    """Hears nothing; the default of every library function."""

    @contextmanager
    def bar(self, what: str, total: int | None, unit: str = "") -> Iterator[Bar]:
        """Open a bar that nobody sees."""
        yield self

    def say(self, line: str) -> None:
        """Say nothing."""

    def advance(self, steps: int = 1) -> None:
        """Count nothing."""


class Terminal:
    """Draws bars with time left on standard error; plain lines where that is no terminal."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False)

    @contextmanager
    def bar(self, what: str, total: int | None, unit: str = "") -> Iterator[Bar]:
        """Open a bar that vanishes when it is done; where nobody could see it move, tell one line."""
        if not self.console.is_terminal:
            self.say(f"{what} ...")
            yield Silence()
            return
        count: ProgressColumn = DownloadColumn() if unit == "B" else MofNCompleteColumn()
        left: ProgressColumn = TimeRemainingColumn() if total else TimeElapsedColumn()
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), count, left)
        with RichProgress(*columns, console=self.console, transient=True) as drawn:
            yield _DrawnBar(drawn, what, total)

    def say(self, line: str) -> None:
        """Print one line."""
        self.console.print(line, markup=False, soft_wrap=True)


class _DrawnBar:
    def __init__(self, drawn: RichProgress, what: str, total: int | None) -> None:
        self._drawn, self._task = drawn, drawn.add_task(what, total=total)

    def advance(self, steps: int = 1) -> None:
        self._drawn.advance(self._task, steps)
