"""Where a run stands, in one file that is whole or not there: arrays in NumPy's format, facts as JSON among them.

Keeps checkpoints: when one is due, and what happens where the disk is full.
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


CHECKPOINT_VERSION: Final = 1  # of what is in the file; another one is not read


CHECKPOINT_FILE: Final = "checkpoint.npz"


CHECKPOINT_SECONDS: Final = 20.0  # seconds between checkpoints inside an epoch


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Everything that a run needs to go on as if nothing had happened."""

    facts: dict[str, Any]  # ready for JSON
    arrays: NamedArrays

    def write(self, folder: Path) -> None:
        """Write it into `folder`, whole or not at all.

        Raises:
            OSError: it could not be written; an earlier one is as it was.
        """
        facts = np.frombuffer(json.dumps(self.facts | {"version": CHECKPOINT_VERSION}).encode(), np.uint8)
        with open_atomic(folder / CHECKPOINT_FILE) as file:
            np.savez(file, **self.arrays, facts=facts)  # type: ignore[arg-type]  # none is called allow_pickle

    @classmethod
    def read(cls, folder: Path) -> Checkpoint | None:
        """Return the one in `folder`; None where there is none that can be read."""
        try:
            with (folder / CHECKPOINT_FILE).open("rb") as raw, np.load(raw, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            facts = json.loads(arrays.pop("facts").tobytes())
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None
        return cls(facts, arrays) if facts.pop("version", None) == CHECKPOINT_VERSION else None


@dataclass(slots=True)
class TrainingState:
    """The epochs that are done, and where in the next one the run is."""

    schedule: EpochSchedule
    start_loss: float  # of the validation part, before the first step
    start_score: float
    best: int = 0  # number of the best epoch; 0 is the start
    step: int = 0  # batches done of the epoch under way
    loss: float = 0.0  # sums over them
    weight: float = 0.0
    seconds: float = 0.0
    history: list[EpochStats] = field(default_factory=list)

    @classmethod
    def from_json(cls, facts: dict[str, Any]) -> TrainingState:
        """Return the one of which `dataclasses.asdict` made `facts`."""
        history = [EpochStats(**epoch) for epoch in facts["history"]]
        return cls(**facts | {"schedule": EpochSchedule(**facts["schedule"]), "history": history})

    @property
    def epoch_number(self) -> int:
        """Return the number of the epoch under way, from 1."""
        return len(self.history) + 1

    @property
    def global_step(self) -> int:
        """Return the batches done in all epochs."""
        return len(self.history) * self.schedule.steps + self.step

    @property
    def best_loss(self) -> float:
        """Return the validation loss of the best epoch, or of the start."""
        return self.history[self.best - 1].val_loss if self.best else self.start_loss

    def epochs_since_best(self) -> int:
        """Return how many epochs have gone by since the one with the least validation loss.

        The start does not count: on the way to something better a run may be worse for a while.
        """
        losses = [epoch.val_loss for epoch in self.history]
        return len(losses) - 1 - losses.index(min(losses)) if losses else 0

    def finish_epoch(self, epoch: EpochStats) -> bool:
        """Add a finished epoch; return whether it is the best."""
        better = epoch.val_loss < self.best_loss
        self.history.append(epoch)
        self.best = epoch.number if better else self.best
        self.step, self.loss, self.weight, self.seconds = 0, 0.0, 0.0, 0.0
        return better


def delete_partial_checkpoints(folder: Path) -> None:
    """Delete halves of checkpoints that a killed run has left in `folder`."""
    for partial_file in folder.glob(f".{CHECKPOINT_FILE}.*.part"):
        partial_file.unlink(missing_ok=True)


class NetworkState:
    """All that changes while a network learns: weights that learn, states of random numbers, and the optimiser's own.

    What is frozen is not in it: the same lesson makes the same network again.
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
        """Return a copy of it."""
        return {name: np.array(variable.numpy()) for name, variable in self._variables.items()}

    def restore(self, arrays: NamedArrays) -> None:
        """Make everything what `capture` has returned."""
        for name, variable in self._variables.items():
            variable.assign(arrays[name])


def job_fingerprint(job: TrainingJob) -> str:
    """Return a hash of all that decides how a run goes; only a checkpoint of that very run may be gone on with."""
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
