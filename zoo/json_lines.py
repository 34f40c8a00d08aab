"""Progress for programs: JSON Lines on standard error, one object a line.

    {"event": "say", "text": "…"}
    {"event": "start", "what": "features", "total": 5000}                      total null: not known
    {"event": "progress", "what": "features", "done": 900, "total": 5000, "seconds_left": 4.6}
    {"event": "end", "what": "features", "done": 5000, "total": 5000, "seconds": 5.7, "whole": true}
    {"event": "numbers", "what": "epoch", "epoch": 3, "of": 8, "loss": 0.41, "val_loss": 0.39, …}
    {"event": "error", "text": "…"}

Bytes are told as "unit": "B" beside "total". A number that is not finite is null. Other events may come
later; a reader passes over those that it does not know.
"""

from __future__ import annotations

import json
import math
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from zoo.progress import Bar, Numbers

EVERY: Final = 0.5  # seconds between two "progress" events of one bar


class Lines:
    """Tells progress as JSON Lines on standard error; safe to call from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    @contextmanager
    def bar(self, what: str, total: int | None, unit: str = "") -> Iterator[Bar]:
        """Tell when `what` starts, how far it is, twice a second at most, and when and how it ends."""
        self._tell("start", {"what": what, "total": total, **({"unit": unit} if unit else {})})
        counted = _CountedBar(self, what, total)
        whole = False
        try:
            yield counted
            whole = True
        finally:
            seconds = round(time.monotonic() - counted.start, 3)
            facts = {"what": what, "done": counted.done, "total": total, "seconds": seconds, "whole": whole}
            self._tell("end", facts)

    def say(self, line: str) -> None:
        """Tell a text."""
        self._tell("say", {"text": line})

    def numbers(self, what: str, facts: Numbers) -> None:
        """Tell the numbers as they are."""
        plain = {name: value if isinstance(value, int) else float(value) for name, value in facts.items()}
        self._tell("numbers", {"what": what, **plain})

    def error(self, text: str) -> None:
        """Tell why the run ends."""
        self._tell("error", {"text": text})

    def progress(self, what: str, done: int, total: int | None, seconds_left: float | None) -> None:
        """Tell how far `what` is."""
        self._tell("progress", {"what": what, "done": done, "total": total, "seconds_left": seconds_left})

    def _tell(self, event: str, facts: dict[str, Any]) -> None:
        finite = {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in facts.items()
        }
        line = json.dumps({"event": event, **finite}, allow_nan=False)
        with self._lock:
            sys.stderr.write(line + "\n")
            sys.stderr.flush()


class _CountedBar:
    def __init__(self, lines: Lines, what: str, total: int | None) -> None:
        self._lines, self._what, self._total = lines, what, total
        self.done, self.start = 0, time.monotonic()
        self._told = self.start
        self._lock = threading.Lock()

    def advance(self, steps: int = 1) -> None:
        with self._lock:
            self.done += steps
            now = time.monotonic()
            if now - self._told < EVERY:
                return
            self._told, done = now, self.done
        left = (self._total - done) * (now - self.start) / done if self._total and done else None
        self._lines.progress(self._what, done, self._total, None if left is None else round(max(0.0, left), 1))
