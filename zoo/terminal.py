"""Progress for people, with time left for whatever takes more than two seconds; always on standard error."""

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

from zoo.progress import Bar, Numbers, Silence

NAMES: Final = {"val_loss": "validation loss", "val_score": "score"}
QUIET: Final = ("of", "seconds_left")  # told beside another number, or at the end of the line


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

    def numbers(self, what: str, facts: Numbers) -> None:
        """Print one line: epoch 3/8   loss 0.4121   validation loss 0.392   score 0.981   1 min 20 s left."""
        self.say(told(what, facts))


class _DrawnBar:
    def __init__(self, drawn: RichProgress, what: str, total: int | None) -> None:
        self._drawn, self._task = drawn, drawn.add_task(what, total=total)

    def advance(self, steps: int = 1) -> None:
        self._drawn.advance(self._task, steps)


def told(what: str, facts: Numbers) -> str:
    """Return numbers as a line for people; the one called `what` comes first, as 3/8 where `of` says how many."""
    count = f" {facts[what]:g}" + (f"/{facts['of']:g}" if "of" in facts else "") if what in facts else ""
    parts = [what + count]
    for name, value in facts.items():
        if name == "seconds":
            parts.append(duration(value))
        elif name != what and name not in QUIET:
            parts.append(f"{NAMES.get(name, name.replace('_', ' '))} {value:.4g}")
    if "seconds_left" in facts:
        parts.append(f"{duration(facts['seconds_left'])} left")
    return "   ".join(parts)


def duration(seconds: float) -> str:
    """Return a duration as people say it: 0.4 s, 12 s, 1 min 20 s, 2 h 5 min."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
