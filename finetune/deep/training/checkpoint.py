"""Checkpoints of a run: weights, optimizer state and position in one file, written atomically, restored exactly.

    FOLDER/checkpoint.npz    NumPy arrays, and the facts (`TrainingState`, threads, version) as JSON in a byte array

There is no pickle in it. A checkpoint is resumed only by the very job that wrote it (`job_fingerprint`).
"""

from __future__ import annotations

import hashlib
import json
import time
import zipfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
from numpy.typing import NDArray

from finetune.deep.training.devices import intra_op_threads
from finetune.deep.training.schedule import EpochSchedule
from finetune.deep.training_job import EpochStats, TrainingJob
from graft.progress import Progress
from graft.storage.atomic_file import file_sha256, open_atomic

NamedArrays = dict[str, NDArray[Any]]

CHECKPOINT_VERSION: Final = 1  # of the file's format; a file of another version is ignored
CHECKPOINT_FILE: Final = "checkpoint.npz"
CHECKPOINT_SECONDS: Final = 20.0  # between checkpoints within an epoch; there is always one after each epoch


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Everything that a run needs to resume as if it had never stopped."""

    facts: dict[str, Any]  # serialisable as JSON
    arrays: NamedArrays

    def write(self, folder: Path) -> None:
        """Write the checkpoint into `folder` atomically.

        Raises:
            OSError: the file could not be written; an earlier checkpoint is unchanged.
        """
        facts = np.frombuffer(json.dumps(self.facts | {"version": CHECKPOINT_VERSION}).encode(), np.uint8)
        with open_atomic(folder / CHECKPOINT_FILE) as file:
            np.savez(file, **self.arrays, facts=facts)  # type: ignore[arg-type]  # none is called allow_pickle

    @classmethod
    def read(cls, folder: Path) -> Checkpoint | None:
        """Return the checkpoint in `folder`, or None if there is none, or it is damaged or of another version."""
        try:
            with (folder / CHECKPOINT_FILE).open("rb") as raw, np.load(raw, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            facts = json.loads(arrays.pop("facts").tobytes())
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None
        return cls(facts, arrays) if facts.pop("version", None) == CHECKPOINT_VERSION else None


def delete_partial_checkpoints(folder: Path) -> None:
    """Delete temporary files that a killed run left in `folder` while it wrote a checkpoint."""
    for partial_file in folder.glob(f".{CHECKPOINT_FILE}.*.part"):
        partial_file.unlink(missing_ok=True)


@dataclass(slots=True)
class TrainingState:
    """The position of a run: its finished epochs, and the step and running sums of the current one."""

    schedule: EpochSchedule
    start_loss: float  # validation loss before the first step
    start_score: float
    best: int = 0  # number of the epoch with the lowest validation loss; 0: before the first step
    step: int = 0  # finished batches of the current epoch
    loss: float = 0.0  # sums over these batches
    weight: float = 0.0
    seconds: float = 0.0  # spent in the current epoch before a resume
    history: list[EpochStats] = field(default_factory=list)

    @classmethod
    def from_json(cls, facts: dict[str, Any]) -> TrainingState:
        """Return the state that `dataclasses.asdict` turned into `facts`."""
        history = [EpochStats(**epoch) for epoch in facts["history"]]
        return cls(**facts | {"schedule": EpochSchedule(**facts["schedule"]), "history": history})

    @property
    def epoch_number(self) -> int:
        """Return the number of the current epoch, from 1."""
        return len(self.history) + 1

    @property
    def global_step(self) -> int:
        """Return the number of finished batches in all epochs."""
        return len(self.history) * self.schedule.steps + self.step

    @property
    def best_loss(self) -> float:
        """Return the validation loss of the best epoch, or the one before the first step."""
        return self.history[self.best - 1].val_loss if self.best else self.start_loss

    def finish_epoch(self, epoch: EpochStats) -> bool:
        """Add a finished epoch, start the next one, and return whether the finished one is the best so far."""
        better = epoch.val_loss < self.best_loss
        self.history.append(epoch)
        self.best = epoch.number if better else self.best
        self.step, self.loss, self.weight, self.seconds = 0, 0.0, 0.0, 0.0
        return better


class NetworkState:
    """The variables that training changes: trainable weights, random-number states, and the optimizer's slots.

    Frozen weights are not among them: the same job builds the same network again.
    """

    def __init__(self, network: keras.Model, optimizer: keras.optimizers.Optimizer) -> None:
        weights = {id(weight) for weight in network.weights}
        rng = [variable for variable in network.variables if id(variable) not in weights]
        self._variables = {
            f"{kind}_{number}": variable
            for kind, each in (
                ("weight", network.trainable_variables),
                ("random", rng),
                ("optimiser", optimizer.variables),
            )
            for number, variable in enumerate(each)
        }

    def capture(self) -> NamedArrays:
        """Return a copy of all variables, by name."""
        return {name: np.array(variable.numpy()) for name, variable in self._variables.items()}

    def restore(self, arrays: NamedArrays) -> None:
        """Assign the values that `capture` returned."""
        for name, variable in self._variables.items():
            variable.assign(arrays[name])


def job_fingerprint(job: TrainingJob) -> str:
    """Return a SHA-256 over everything that determines a run, in hex: a checkpoint of another job is not resumed."""
    facts = {
        "backbone": job.backbone.name,
        "depth": job.depth,
        "task": job.task,
        "labels": job.labels,
        "seed": job.seed,
        "training": asdict(job.training),
        "start": job.start_weights and file_sha256(job.start_weights),
        "input": job.inputs.spec(),
    }
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for sha256 in job.sha256:
        digest.update(sha256)
    for array in (job.y, job.sample_weights, job.train_rows, job.val_rows, job.start_head.weights, job.start_head.bias):
        digest.update(f"{array.dtype}{array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


class CheckpointWriter:
    """Writes the checkpoints of one job into its folder, and decides when the next one is due.

    Args:
        interval: the seconds between two checkpoints within an epoch.
    """

    def __init__(self, job: TrainingJob, progress: Progress, interval: float) -> None:
        self._folder, self._progress, self._interval = job.folder, progress, interval
        self._facts = {"name": job_fingerprint(job), "threads": intra_op_threads()}
        self._last_write, self._write_seconds, self._has_failed = time.monotonic(), 0.0, False

    def is_due(self) -> bool:
        """Return whether it is time for the next checkpoint; they are rarer where writing one takes over a second."""
        return time.monotonic() - self._last_write >= self._interval * max(1.0, self._write_seconds)

    def write_checkpoint(self, state: dict[str, Any], arrays: NamedArrays) -> None:
        """Write a checkpoint of a `TrainingState` (as a dict) and its arrays.

        If that fails, such as on a full disk, training goes on with the earlier checkpoint, and the failure is logged
        once.
        """
        start = time.monotonic()
        try:
            Checkpoint(self._facts | {"standing": state}, arrays).write(self._folder)
        except OSError as error:
            if not self._has_failed:
                self._progress.log(
                    f"no checkpoint could be written ({error}): training goes on, and the last checkpoint is kept"
                )
            self._has_failed = True
        else:
            self._has_failed = False
        self._last_write = time.monotonic()
        self._write_seconds = self._last_write - start
