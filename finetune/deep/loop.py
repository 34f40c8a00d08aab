"""The training loop of every depth: from the probe's head to the best averaged weights, stoppable at any moment."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from finetune.deep.checkpoint import Checkpoint, name_of, tidy
from finetune.deep.course import Course
from finetune.deep.devices import Devices, settle, threads
from finetune.deep.keeper import EVERY, Keeper
from finetune.deep.schedule import BATCH, Settings
from finetune.deep.study import Study
from finetune.lesson import Epoch, Lesson
from zoo.errors import TrainingFailed
from zoo.progress import Progress

Make = Callable[[int], Course]  # size of batch -> what is learnt
Studied = tuple[Course, tuple[Epoch, ...], dict[str, Any]]


def study(make: Make, lesson: Lesson, progress: Progress, every: float = EVERY) -> Studied:
    """Train what `make` makes for a size of batch; return it with its best weights, the history and what was chosen.

    The weights are running averages: those after the epoch with the best validation loss, or those from before
    the first step where no epoch was better. Where the memory does not suffice, the batch is halved and the
    learning rate with it. A checkpoint is written into the lesson's folder after each epoch, and every `every`
    seconds in between.

    Raises:
        TrainingFailed: a loss was not finite (the checkpoint is of the last good state), or not even one sample
            fits into the memory.
    """
    devices = settle()
    tidy(lesson.folder)
    found = _found(lesson, progress) if lesson.resume else None
    batch = int(found.facts["standing"]["schedule"]["batch"]) if found else lesson.training.batch or BATCH
    while True:
        try:
            return _attempt(make, batch, lesson, devices, found, Keeper(lesson, progress, every), progress)
        except tf.errors.ResourceExhaustedError as full:
            if batch == 1:
                raise TrainingFailed(
                    "not even one sample at a time fits into the memory. Take a smaller backbone, --depth top "
                    "instead of full, or a machine with more memory."
                ) from full
        batch, found = batch // 2, None
        progress.say(f"out of memory: starting anew with batches of {batch}, and the learning rate halved")
        gc.collect()  # what did not fit


def _attempt(
    make: Make,
    batch: int,
    lesson: Lesson,
    devices: Devices,
    found: Checkpoint | None,
    keeper: Keeper,
    progress: Progress,
) -> Studied:
    keras.utils.set_random_seed(lesson.seed)  # of dropout
    with devices.scope():
        course = make(batch)
        work = Study(course, Settings.of(lesson, batch), lesson, devices, keeper, progress)
    return course, *work.run(found)


def _found(lesson: Lesson, progress: Progress) -> Checkpoint | None:
    """Return the lesson's checkpoint, if there is one that is of this very lesson."""
    found = Checkpoint.read(lesson.folder)
    if found is None:
        progress.say("no checkpoint to go on from: starting at the beginning")
        return None
    if found.facts["name"] != name_of(lesson):
        progress.say("the checkpoint is of other data or another recipe: starting at the beginning")
        return None
    if found.facts["threads"] != threads():
        progress.say(f"{found.facts['threads']} threads until now, {threads()} from here: last digits may differ")
    return found
