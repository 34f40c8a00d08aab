"""The training loop of every depth: from the probe's head to the best averaged weights, stoppable at any moment."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from finetune.deep.checkpoint import Checkpoint, delete_partial_checkpoints, job_fingerprint
from finetune.deep.course import BatchSource
from finetune.deep.devices import Devices, configure_devices, intra_op_threads
from finetune.deep.keeper import CHECKPOINT_SECONDS, CheckpointWriter
from finetune.deep.schedule import DEFAULT_BATCH_SIZE, Hyperparameters
from finetune.deep.study import Trainer
from finetune.lesson import EpochStats, TrainingJob
from zoo.errors import TrainingFailed
from zoo.progress import Progress

BatchSourceFactory = Callable[[int], BatchSource]  # size of batch -> what is learnt
TrainingOutcome = tuple[BatchSource, tuple[EpochStats, ...], dict[str, Any]]


def train_network(
    build_batch_source: BatchSourceFactory,
    job: TrainingJob,
    progress: Progress,
    checkpoint_interval: float = CHECKPOINT_SECONDS,
) -> TrainingOutcome:
    """Train what `build_batch_source` makes for a size of batch; return it with its best weights, the history and what was chosen.

    The weights are running averages: those after the epoch with the best validation loss, or those from before
    the first step where no epoch was better. Where the memory does not suffice, the batch is halved and the
    learning rate with it. A checkpoint is written into the lesson's folder after each epoch, and every `checkpoint_interval`
    seconds in between.

    Raises:
        TrainingFailed: a loss was not finite (the checkpoint is of the last good state), or not even one sample
            fits into the memory.
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
                    "not even one sample at a time fits into the memory. Take a smaller backbone, --depth top "
                    "instead of full, or a machine with more memory."
                ) from out_of_memory
        batch, checkpoint = batch // 2, None
        progress.log(f"out of memory: starting anew with batches of {batch}, and the learning rate halved")
        gc.collect()  # what did not fit


def _train_once(
    build_batch_source: BatchSourceFactory,
    batch_size: int,
    job: TrainingJob,
    devices: Devices,
    checkpoint: Checkpoint | None,
    checkpoint_writer: CheckpointWriter,
    progress: Progress,
) -> TrainingOutcome:
    keras.utils.set_random_seed(job.seed)  # of dropout
    with devices.scope():
        batches = build_batch_source(batch_size)
        trainer = Trainer(batches, Hyperparameters.from_job(job, batch_size), job, devices, checkpoint_writer, progress)
    return batches, *trainer.train(checkpoint)


def _find_checkpoint(job: TrainingJob, progress: Progress) -> Checkpoint | None:
    """Return the lesson's checkpoint, if there is one that is of this very lesson."""
    checkpoint = Checkpoint.read(job.folder)
    if checkpoint is None:
        progress.log("no checkpoint to go on from: starting at the beginning")
        return None
    if checkpoint.facts["name"] != job_fingerprint(job):
        progress.log("the checkpoint is of other data or another recipe: starting at the beginning")
        return None
    if checkpoint.facts["threads"] != intra_op_threads():
        progress.log(
            f"{checkpoint.facts['threads']} threads until now, {intra_op_threads()} from here: last digits may differ"
        )
    return checkpoint
