"""The training loop of every depth: epochs, validation, early stopping, checkpoints, resume, and the best EMA weights.

Why not `keras.Model.fit` today: four things that this loop guarantees need more than callbacks.

- Resume within an epoch is bit-exact: batches depend on seed, epoch and step alone, and a checkpoint holds optimizer
  slots, weight averages and the random state of dropout. `BackupAndRestore` restores the weights of a batch, but goes
  on at the start of its epoch.
- The deadline is planned: steps are timed before the first epoch and undone, then the cosine schedule is shortened to
  end in time.
- When memory runs out, training starts again with half the batch size and learning rate.
- Validation, model selection and early stopping use the averaged weights, by the log loss after temperature scaling.
"""

from __future__ import annotations

import gc
import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Final

import keras
import numpy as np
import tensorflow as tf

from finetune.deep.training.batch_source import BatchSource
from finetune.deep.training.checkpoint import (
    CHECKPOINT_SECONDS,
    Checkpoint,
    CheckpointWriter,
    NamedArrays,
    NetworkState,
    TrainingState,
    delete_partial_checkpoints,
    job_fingerprint,
)
from finetune.deep.training.devices import Devices, configure_devices, intra_op_threads
from finetune.deep.training.early_stopping import stop_reason
from finetune.deep.training.optimizer import AveragingAdamW
from finetune.deep.training.prefetch import prefetch
from finetune.deep.training.schedule import (
    DEFAULT_BATCH_SIZE,
    CosineWarmupSchedule,
    EpochSchedule,
    Hyperparameters,
    shorten_to_time,
)
from finetune.deep.training.tensorboard import TensorBoardWriter
from finetune.deep.training.train_step import StepGraphs, make_loss, validation_metrics
from finetune.deep.training_job import EpochStats, TrainingJob
from graft.errors import TrainingFailed
from graft.progress import Progress

TIMED_STEPS: Final = 8  # steps that are timed to plan for the deadline
MAX_TIMING_SECONDS: Final = 5.0  # stop timing after these, with fewer steps

BatchSourceFactory = Callable[[int], BatchSource]  # batch size -> network and batches
TrainingOutcome = tuple[BatchSource, tuple[EpochStats, ...], dict[str, Any]]  # with the best weights, history, facts


class Trainer:
    """One run with one batch size. Build it within `Devices.scope()`, as its `BatchSource`."""

    def __init__(
        self,
        batches: BatchSource,
        hyperparameters: Hyperparameters,
        job: TrainingJob,
        devices: Devices,
        checkpoint_writer: CheckpointWriter,
        progress: Progress,
    ) -> None:
        self._batches, self._hyperparameters, self._job, self._devices = batches, hyperparameters, job, devices
        self._checkpoint_writer, self._progress = checkpoint_writer, progress
        self._tensorboard = TensorBoardWriter(job.tensorboard)
        self._rate_schedule = CosineWarmupSchedule(hyperparameters.rate)
        self._optimizer = AveragingAdamW(self._rate_schedule, batches.rate_factors, hyperparameters.weight_decay)
        outer = devices.with_loss_scaling(self._optimizer)
        outer.build(batches.network.trainable_variables)
        self._graphs = StepGraphs(batches.network, outer, make_loss(job.task, hyperparameters.smoothing), devices)
        self._network_state = NetworkState(batches.network, outer)

    def train(self, checkpoint: Checkpoint | None) -> tuple[tuple[EpochStats, ...], dict[str, Any]]:
        """Train until a stop reason, from `checkpoint` if there is one, and leave the best weights in the network.

        Return the history of all epochs, and the facts for the manifest.

        Raises:
            TrainingFailed: a loss or a gradient is not finite.
        """
        if checkpoint:
            self._resume(checkpoint)
        else:
            self._start()
        self._rate_schedule.total_steps.assign(max(1.0, float(self._training_state.schedule.total_steps)))
        while not (reason := self._stop_reason()):
            self._train_epoch()
        for variable, best in zip(self._batches.network.trainable_variables, self._best_weights.values(), strict=True):
            variable.assign(best)
        return tuple(self._training_state.history), self._run_facts(reason)

    def _start(self) -> None:
        loss, score = self._validate("before the first step")
        self._progress.log(f"before the first step: validation loss {loss:.4g}, score {score:.4g}")
        schedule = EpochSchedule(
            self._hyperparameters.batch, self._hyperparameters.epochs, self._batches.steps_per_epoch()
        )
        self._training_state = TrainingState(self._shorten_schedule(schedule), loss, score)
        self._best_weights = self._copy_averages()

    def _resume(self, checkpoint: Checkpoint) -> None:
        self._network_state.restore(checkpoint.arrays)
        self._training_state = TrainingState.from_json(checkpoint.facts["standing"])
        self._best_weights = {name: array for name, array in checkpoint.arrays.items() if name.startswith("best_")}
        state = self._training_state
        self._progress.log(f"resuming after batch {state.global_step:,} of {state.schedule.total_steps:,}")

    def _shorten_schedule(self, schedule: EpochSchedule) -> EpochSchedule:
        """Return as much of `schedule` as fits before the deadline, by timing a few steps and undoing them."""
        if self._job.deadline is None:
            return schedule
        saved_arrays = self._network_state.capture()
        step = self._measure_step_seconds(schedule.steps)
        self._network_state.restore(saved_arrays)
        start = time.monotonic()
        self._validate("before the first step")  # once more: the first time includes tracing the graph
        validation_seconds = time.monotonic() - start
        shortened = shorten_to_time(schedule, self._job.deadline - time.monotonic(), step, validation_seconds)
        if shortened != schedule:
            self._progress.log(f"the deadline leaves time for {shortened.epochs} epochs of {shortened.steps} batches")
        return shortened

    def _measure_step_seconds(self, steps: int) -> float:
        marks = []
        for batch in prefetch(lambda number: self._prepare_batch(0, number % steps), range(1 + TIMED_STEPS)):
            np.asarray(self._graphs.train_on_batch(batch))
            marks.append(time.monotonic())
            if len(marks) > 2 and marks[-1] - marks[0] > MAX_TIMING_SECONDS:
                break
        # The first step includes tracing the graph, so timing starts at its end.
        return (marks[-1] - marks[0]) / (len(marks) - 1)

    def _stop_reason(self) -> str:
        """Return why training stops now, or "" if it goes on."""
        state = self._training_state
        return stop_reason(
            [epoch.val_loss for epoch in state.history],
            state.schedule.epochs,
            self._hyperparameters.patience,
            deadline=self._job.deadline,
            mid_epoch=state.step > 0,
        )

    def _prepare_batch(self, epoch: int, step: int) -> Any:  # noqa: ANN401
        return self._graphs.distribute_batch(self._batches.training_batch(epoch, step))

    def _train_epoch(self) -> None:
        state, epoch = self._training_state, len(self._training_state.history)
        start_time = time.monotonic() - state.seconds
        steps = range(state.step, state.schedule.steps)
        pending_steps: deque[Any] = deque()
        with self._progress.bar(f"epoch {state.epoch_number} of {state.schedule.epochs}", state.schedule.steps) as bar:
            bar.advance(state.step)
            for batch in prefetch(lambda step: self._prepare_batch(epoch, step), steps):
                pending_steps.append(self._graphs.train_on_batch(batch))
                # Wait one step behind, so that a GPU always has its next step queued.
                while len(pending_steps) > (0 if self._checkpoint_writer.is_due() else 1):
                    self._add_step_sums(pending_steps.popleft())
                if not pending_steps and state.step < state.schedule.steps:
                    state.seconds = time.monotonic() - start_time
                    self._save_checkpoint()
                bar.advance()
            while pending_steps:
                self._add_step_sums(pending_steps.popleft())
        with self._optimizer.swap_in_averages():
            val_loss, val_score = self._validate(f"after epoch {state.epoch_number}")
        rate = self._rate_schedule.rate_at(state.global_step - 1)
        loss, seconds = state.loss / max(state.weight, 1e-9), time.monotonic() - start_time
        self._finish_epoch(
            EpochStats(state.epoch_number, state.schedule.epochs, loss, val_loss, val_score, seconds, rate)
        )

    def _add_step_sums(self, sums: Any) -> None:  # noqa: ANN401
        loss, weight, norm = np.asarray(sums).tolist()
        state = self._training_state
        state.step, state.loss, state.weight = state.step + 1, state.loss + loss, state.weight + weight
        for what, number in (("loss", loss), ("gradient's norm", norm)):
            if not math.isfinite(number):
                raise self._divergence_error(
                    f"the {what} of batch {state.step} in epoch {state.epoch_number} is {number}"
                )

    def _finish_epoch(self, epoch: EpochStats) -> None:
        """Record a finished epoch, keep its averaged weights if they are the best, and report its metrics."""
        if self._training_state.finish_epoch(epoch):
            self._best_weights = self._copy_averages()
        self._save_checkpoint()
        facts = {name: value for name, value in asdict(epoch).items() if name != "number"}
        facts = {"epoch": epoch.number, **facts, "seconds_left": (epoch.of - epoch.number) * epoch.seconds}
        self._progress.log_metrics("epoch", facts)
        self._tensorboard.write_scalars(
            epoch.number, {name: facts[name] for name in ("loss", "val_loss", "val_score", "rate")}
        )

    def _validate(self, moment: str) -> tuple[float, float]:
        loss, score = validation_metrics(
            self._job.task, *self._graphs.predict_logits(self._batches.validation_batches())
        )
        if not math.isfinite(loss):
            raise self._divergence_error(f"the validation loss {moment} is {loss}")
        return loss, score

    def _save_checkpoint(self) -> None:
        self._checkpoint_writer.write_checkpoint(
            asdict(self._training_state), self._network_state.capture() | self._best_weights
        )

    def _copy_averages(self) -> NamedArrays:
        return {f"best_{number}": array for number, array in enumerate(self._optimizer.averages())}

    def _divergence_error(self, what: str) -> TrainingFailed:
        return TrainingFailed(
            f"{what}: training stopped; the last good checkpoint, if there is one, is kept. Try a --rate lower "
            f"than {self._hyperparameters.rate:g}, and look for broken samples with `finetune check`."
        )

    def _run_facts(self, reason: str) -> dict[str, Any]:
        state = self._training_state
        return {
            "epochs": len(state.history),
            "epochs_planned": state.schedule.epochs,
            "best_epoch": state.best,
            "stopped_by": reason,
            "steps": state.schedule.steps,
            **asdict(self._hyperparameters),
            "start_val_loss": state.start_loss,
            "start_val_score": state.start_score,
            **self._devices.facts(),
        }


def train_network(
    build_batch_source: BatchSourceFactory,
    job: TrainingJob,
    progress: Progress,
    checkpoint_interval: float = CHECKPOINT_SECONDS,
) -> TrainingOutcome:
    """Train a network, and return its `BatchSource` with the best weights, the history, and facts for the manifest.

    The best weights are the averages (EMA) after the epoch with the lowest validation loss, or the weights before the
    first step if no epoch was better. If the batch does not fit into memory, batch size and learning rate are halved.

    Args:
        build_batch_source: builds network and batches for a batch size; called again if the batch size is halved.
        job: what to train; with `resume` from the checkpoint in its folder, if there is one of the same job.
        progress: gets a bar for each epoch, its metrics, and log lines.
        checkpoint_interval: seconds between checkpoints within an epoch; one is written after each epoch anyway.

    Raises:
        TrainingFailed: a loss or a gradient is not finite (the checkpoint has the last good state), or not even one
            sample fits into memory.
    """
    devices = configure_devices()
    delete_partial_checkpoints(job.folder)
    checkpoint = _find_checkpoint(job, progress) if job.resume else None
    batch = (
        int(checkpoint.facts["standing"]["schedule"]["batch"])
        if checkpoint
        else job.training.batch or DEFAULT_BATCH_SIZE
    )
    while True:
        try:
            return _train_once(
                build_batch_source,
                batch,
                job,
                devices,
                checkpoint,
                CheckpointWriter(job, progress, checkpoint_interval),
                progress,
            )
        except tf.errors.ResourceExhaustedError as out_of_memory:
            if batch == 1:
                raise TrainingFailed(
                    "not even one sample at a time fits into memory. Use a smaller backbone, --depth top instead of "
                    "full, or a machine with more memory."
                ) from out_of_memory
        batch, checkpoint = batch // 2, None
        progress.log(f"out of memory: starting again with batch size {batch} and half the learning rate")
        gc.collect()  # the network that did not fit


def _train_once(
    build_batch_source: BatchSourceFactory,
    batch_size: int,
    job: TrainingJob,
    devices: Devices,
    checkpoint: Checkpoint | None,
    checkpoint_writer: CheckpointWriter,
    progress: Progress,
) -> TrainingOutcome:
    keras.utils.set_random_seed(job.seed)  # for dropout
    with devices.scope():
        batches = build_batch_source(batch_size)
        trainer = Trainer(batches, Hyperparameters.from_job(job, batch_size), job, devices, checkpoint_writer, progress)
    return batches, *trainer.train(checkpoint)


def _find_checkpoint(job: TrainingJob, progress: Progress) -> Checkpoint | None:
    """Return the checkpoint in the job's folder if this very job wrote it; log the reason if it is not used."""
    checkpoint = Checkpoint.read(job.folder)
    if checkpoint is None:
        progress.log("no checkpoint to resume from: starting at the beginning")
        return None
    if checkpoint.facts["name"] != job_fingerprint(job):
        progress.log("the checkpoint belongs to other data or another recipe: starting at the beginning")
        return None
    if checkpoint.facts["threads"] != intra_op_threads():
        progress.log(
            f"resuming with {intra_op_threads()} threads (was {checkpoint.facts['threads']}): "
            "results may differ in the last bits"
        )
    return checkpoint
