"""Hyper-parameters of a run, how many epochs fit into its time, and the learning-rate schedule with warm-up."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Final

import keras
import numpy as np
import tensorflow as tf

from finetune.data.task import Task
from finetune.deep.training_job import TrainingJob
from finetune.recipe import Depth

DEFAULT_BATCH_SIZE: Final = 32
# Epochs at most, peak learning rate for a batch of 32, weight decay. `train_images` and `train_texts` have defaults
# of their own, which they put into the job's training options.
DEPTH_DEFAULTS: Final = {Depth.TOP: (20, 1e-3, 0.01), Depth.FULL: (10, 3e-4, 0.01), Depth.LORA: (10, 5e-4, 0.01)}
LABEL_SMOOTHING: Final = 0.1  # for classification; Szegedy et al. 2016
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7  # Adam's decay of gradients and of their squares, and its epsilon
WARMUP_SHARE: Final = 0.1  # share of all steps that is warm-up
AVERAGING_SHARE: Final = 0.1  # share of all steps that the weight average (EMA) spans
USABLE_TIME_SHARE: Final = 0.9  # share of the time left that epochs are planned for


@dataclass(frozen=True, slots=True)
class EpochSchedule:
    """The planned length of a run."""

    batch: int  # batch size
    epochs: int
    steps: int  # batches in an epoch

    @property
    def total_steps(self) -> int:
        """Return the number of steps in all epochs."""
        return self.epochs * self.steps


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """The hyper-parameters of the training loop, with no value left open."""

    epochs: int  # at most; early stopping or the deadline may end the run before
    batch: int  # batch size
    rate: float  # peak learning rate, for this batch size
    weight_decay: float
    smoothing: float  # label smoothing
    patience: int  # of early stopping, in epochs

    @classmethod
    def from_job(cls, job: TrainingJob, batch_size: int) -> Hyperparameters:
        """Return the job's training options; open ones get the default of its depth and task.

        The learning rate is scaled linearly with `batch_size`.
        """
        options = job.training
        epochs, rate, decay = DEPTH_DEFAULTS[job.depth]
        smoothing = LABEL_SMOOTHING if job.task is Task.CLASSIFY else 0.0
        return cls(
            epochs=options.epochs or epochs,
            batch=batch_size,
            rate=(options.rate or rate) * batch_size / DEFAULT_BATCH_SIZE,
            weight_decay=decay if options.weight_decay is None else options.weight_decay,
            smoothing=smoothing if options.smoothing is None else options.smoothing,
            patience=options.patience,
        )


def shorten_to_time(
    schedule: EpochSchedule, seconds_left: float, step_seconds: float, validation_seconds: float
) -> EpochSchedule:
    """Return `schedule` with as many epochs as fit into `seconds_left`, so that the cosine decay ends in time.

    If not even one epoch fits, it gets fewer steps; if not even one step fits, there are no epochs.

    Args:
        schedule: the length of the run without a deadline.
        seconds_left: until the deadline; 90 % of them are planned for.
        step_seconds: measured duration of one training step.
        validation_seconds: measured duration of one pass over the validation set, which follows each epoch.
    """
    seconds_left *= USABLE_TIME_SHARE
    epochs = math.floor(seconds_left / (schedule.steps * step_seconds + validation_seconds))
    if epochs >= 1:
        return replace(schedule, epochs=min(schedule.epochs, epochs))
    steps = math.floor((seconds_left - validation_seconds) / step_seconds)
    return replace(schedule, epochs=1, steps=steps) if steps >= 1 else replace(schedule, epochs=0)


class CosineWarmupSchedule(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]  # keras has no types
    """Learning-rate schedule: linear warm-up to `peak`, then cosine decay to 0 (Loshchilov and Hutter 2017).

    Calling it returns everything that depends on the step number alone, so that it is computed once per step:
    int64 [] -> float32 [3], the learning rate, Adam's bias correction, and the share of the current weights in their
    exponential moving average (EMA).
    """

    def __init__(self, peak: float) -> None:
        self.peak_rate = peak
        # A variable, because the number of steps is known only after the first ones have been timed.
        self.total_steps = keras.Variable(1.0, trainable=False, dtype="float32", aggregation="only_first_replica")

    def __call__(self, step: Any) -> Any:  # noqa: ANN401
        """Return learning rate, bias correction and EMA share of a step, float32 [3]; steps count from 0."""
        t, total = tf.cast(step, tf.float32) + 1.0, tf.convert_to_tensor(self.total_steps)
        warmup_steps = tf.maximum(1.0, tf.round(WARMUP_SHARE * total))
        decay_progress = tf.clip_by_value((t - warmup_steps) / tf.maximum(1.0, total - warmup_steps), 0.0, 1.0)
        rate = self.peak_rate * tf.where(t < warmup_steps, t / warmup_steps, 0.5 + 0.5 * tf.cos(np.pi * decay_progress))
        correction = tf.sqrt(1.0 - BETA_2**t) / (1.0 - BETA_1**t)
        # The average follows closely at first; otherwise the start weights would dominate it.
        average_share = tf.maximum(tf.minimum(1.0, 1.0 / (AVERAGING_SHARE * total)), 9.0 / (9.0 + t))
        return tf.stack([rate, correction, average_share])

    def rate_at(self, step: int) -> float:
        """Return the learning rate of a step; steps count from 0."""
        return float(self(step)[0])
