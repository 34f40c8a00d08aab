"""Keeps checkpoints: when one is due, and what happens where the disk is full."""

from __future__ import annotations

import time
from typing import Any, Final

from finetune.deep.checkpoint import Arrays, Checkpoint, name_of
from finetune.deep.devices import threads
from finetune.lesson import Lesson
from zoo.progress import Progress

EVERY: Final = 20.0  # seconds between checkpoints inside an epoch


class Keeper:
    """Writes the checkpoints of one run."""

    def __init__(self, lesson: Lesson, progress: Progress, every: float) -> None:
        self._folder, self._progress, self._every = lesson.folder, progress, every
        self._facts = {"name": name_of(lesson), "threads": threads()}
        self._last, self._took, self._failed = time.monotonic(), 0.0, False

    def due(self) -> bool:
        """Return whether it is time for the next one; where one takes longer than a second, they are rarer."""
        return time.monotonic() - self._last >= self._every * max(1.0, self._took)

    def keep(self, standing: dict[str, Any], arrays: Arrays) -> None:
        """Write a checkpoint. Where that fails the earlier one stays, training goes on, and it is said once."""
        start = time.monotonic()
        try:
            Checkpoint(self._facts | {"standing": standing}, arrays).write(self._folder)
        except OSError as error:
            if not self._failed:
                self._progress.say(f"no checkpoint could be written ({error}): training goes on, the last one stays")
            self._failed = True
        else:
            self._failed = False
        self._last = time.monotonic()
        self._took = self._last - start
