"""Keeps checkpoints: when one is due, and what happens where the disk is full."""

from __future__ import annotations

import time
from typing import Any, Final

from finetune.deep.checkpoint import Checkpoint, NamedArrays, job_fingerprint
from finetune.deep.devices import intra_op_threads
from finetune.lesson import TrainingJob
from zoo.progress import Progress

CHECKPOINT_SECONDS: Final = 20.0  # seconds between checkpoints inside an epoch


class CheckpointWriter:
    """Writes the checkpoints of one run."""

    def __init__(self, job: TrainingJob, progress: Progress, interval: float) -> None:
        self._folder, self._progress, self._interval = job.folder, progress, interval
        self._facts = {"name": job_fingerprint(job), "threads": intra_op_threads()}
        self._last_write, self._write_seconds, self._has_failed = time.monotonic(), 0.0, False

    def is_due(self) -> bool:
        """Return whether it is time for the next one; where one takes longer than a second, they are rarer."""
        return time.monotonic() - self._last_write >= self._interval * max(1.0, self._write_seconds)

    def write_checkpoint(self, state: dict[str, Any], arrays: NamedArrays) -> None:
        """Write a checkpoint. Where that fails the earlier one stays, training goes on, and it is said once."""
        start = time.monotonic()
        try:
            Checkpoint(self._facts | {"standing": state}, arrays).write(self._folder)
        except OSError as error:
            if not self._has_failed:
                self._progress.log(f"no checkpoint could be written ({error}): training goes on, the last one stays")
            self._has_failed = True
        else:
            self._has_failed = False
        self._last_write = time.monotonic()
        self._write_seconds = self._last_write - start
