"""Progress as JSON Lines on standard error, for programs that run a command: one event per line.

    {"event": "say", "text": "…"}
    {"event": "start", "what": "features", "total": 5000}                      total null: unknown
    {"event": "progress", "what": "features", "done": 900, "total": 5000, "seconds_left": 4.6}
    {"event": "end", "what": "features", "done": 5000, "total": 5000, "seconds": 5.7, "whole": true}
    {"event": "numbers", "what": "epoch", "epoch": 3, "of": 8, "loss": 0.41, "val_loss": 0.39, …}
    {"event": "error", "text": "…"}

A bar that counts bytes has "unit": "B" beside "total". A number that is not finite is null. Readers must ignore unknown
events: later versions may add some.
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

from graft.progress import MetricValues, ProgressBar

EVENT_INTERVAL_SECONDS: Final = 0.5  # between two "progress" events of one bar


class JsonLinesProgress:
    """Writes progress as JSON Lines on standard error. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    @contextmanager
    def bar(self, what: str, total: int | None, unit: str = "") -> Iterator[ProgressBar]:
        """Write "start", then "progress" at most twice a second, then "end"; `whole` is false after an exception."""
        self._write_event("start", {"what": what, "total": total, **({"unit": unit} if unit else {})})
        json_bar = _JsonLinesBar(self, what, total)
        is_complete = False
        try:
            yield json_bar
            is_complete = True
        finally:
            seconds = round(time.monotonic() - json_bar.start, 3)
            facts = {"what": what, "done": json_bar.done, "total": total, "seconds": seconds, "whole": is_complete}
            self._write_event("end", facts)

    def log(self, line: str) -> None:
        """Write a "say" event."""
        self._write_event("say", {"text": line})

    def log_metrics(self, what: str, metrics: MetricValues) -> None:
        """Write a "numbers" event."""
        plain = {name: value if isinstance(value, int) else float(value) for name, value in metrics.items()}
        self._write_event("numbers", {"what": what, **plain})

    def log_error(self, text: str) -> None:
        """Write an "error" event: why the run ends."""
        self._write_event("error", {"text": text})

    def log_progress(self, what: str, done: int, total: int | None, seconds_left: float | None) -> None:
        """Write a "progress" event."""
        self._write_event("progress", {"what": what, "done": done, "total": total, "seconds_left": seconds_left})

    def _write_event(self, event: str, fields: dict[str, Any]) -> None:
        finite = {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in fields.items()
        }
        line = json.dumps({"event": event, **finite}, allow_nan=False)
        with self._lock:
            sys.stderr.write(line + "\n")
            sys.stderr.flush()


class _JsonLinesBar:
    def __init__(self, progress: JsonLinesProgress, what: str, total: int | None) -> None:
        self._progress, self._what, self._total = progress, what, total
        self.done, self.start = 0, time.monotonic()
        self._last_event_at = self.start
        self._lock = threading.Lock()

    def advance(self, steps: int = 1) -> None:
        with self._lock:
            self.done += steps
            now = time.monotonic()
            if now - self._last_event_at < EVENT_INTERVAL_SECONDS:
                return
            self._last_event_at, done = now, self.done
        left = (self._total - done) * (now - self.start) / done if self._total and done else None
        self._progress.log_progress(self._what, done, self._total, None if left is None else round(max(0.0, left), 1))
