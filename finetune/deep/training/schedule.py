"""What a run sets out to do: chosen before its first step, kept in its checkpoint."""

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
# Epochs at most, peak rate for a batch of 32, weight decay. Pictures and texts may know better, and say so in the
# lesson's training.
DEPTH_DEFAULTS: Final = {Depth.TOP: (20, 1e-3, 0.01), Depth.FULL: (10, 3e-4, 0.01), Depth.LORA: (10, 5e-4, 0.01)}
LABEL_SMOOTHING: Final = 0.1  # of classes; Szegedy et al. 2016
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7  # Adam's decays of the gradients and their squares, and its epsilon
WARMUP_SHARE: Final = 0.1  # share of the steps in which the rate rises
AVERAGING_SHARE: Final = 0.1  # share of the steps that the average looks back on
USABLE_TIME_SHARE: Final = 0.9  # share of the time left that is planned with


@dataclass(frozen=True, slots=True)
class EpochSchedule:
    """How long a run is."""

    batch: int
    epochs: int
    steps: int  # of an epoch

    @property
    def total_steps(self) -> int:
        """Return the steps of the whole run."""
        return self.epochs * self.steps


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """How to train, with nothing left open."""

    epochs: int  # at most
    batch: int
    rate: float  # peak, for this size of batch
    weight_decay: float
    smoothing: float  # of labels
    patience: int

    @classmethod
    def from_job(cls, job: TrainingJob, batch_size: int) -> Hyperparameters:
        """Return what the lesson says, and by its depth and task what it leaves open."""
        requested_training = job.training
        epochs, rate, decay = DEPTH_DEFAULTS[job.depth]
        smoothing = LABEL_SMOOTHING if job.task is Task.CLASSIFY else 0.0
        return cls(
            epochs=requested_training.epochs or epochs,
            batch=batch_size,
            rate=(requested_training.rate or rate) * batch_size / DEFAULT_BATCH_SIZE,
            weight_decay=decay if requested_training.weight_decay is None else requested_training.weight_decay,
            smoothing=smoothing if requested_training.smoothing is None else requested_training.smoothing,
            patience=requested_training.patience,
        )


def shorten_to_time(
    schedule: EpochSchedule, seconds_left: float, step_seconds: float, validation_seconds: float
) -> EpochSchedule:
    """Return as many of the `schedule` epochs as fit into the seconds `seconds_left`, so that the cosine ends in time.

    A step takes `step_seconds` seconds, a look at the validation part `validation_seconds`. Where not even one epoch fits, it is
    cut short; where not even a step does, there are no epochs.
    """
    seconds_left *= USABLE_TIME_SHARE
    epochs = math.floor(seconds_left / (schedule.steps * step_seconds + validation_seconds))
    if epochs >= 1:
        return replace(schedule, epochs=min(schedule.epochs, epochs))
    steps = math.floor((seconds_left - validation_seconds) / step_seconds)
    return replace(schedule, epochs=1, steps=steps) if steps >= 1 else replace(schedule, epochs=0)


class CosineWarmupSchedule(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]  # keras has no types
    """All that depends on a step's number alone, computed once a step: int64 [] -> float32 [3].

    They are the learning rate (linear warm-up, then half a cosine down to 0: Loshchilov and Hutter 2017),
    Adam's correction of its two averages that began at 0, and what share of the averaged weights is new.
    """

    def __init__(self, peak: float) -> None:
        self.peak_rate = peak
        # A variable: how many steps there are is known only when the first ones have been timed.
        self.total_steps = keras.Variable(1.0, trainable=False, dtype="float32", aggregation="only_first_replica")

    def __call__(self, step: Any) -> Any:  # noqa: ANN401
        """Return the three for the step of that number, from 0."""
        t, total = tf.cast(step, tf.float32) + 1.0, tf.convert_to_tensor(self.total_steps)
        warmup_steps = tf.maximum(1.0, tf.round(WARMUP_SHARE * total))
        decay_progress = tf.clip_by_value((t - warmup_steps) / tf.maximum(1.0, total - warmup_steps), 0.0, 1.0)
        rate = self.peak_rate * tf.where(t < warmup_steps, t / warmup_steps, 0.5 + 0.5 * tf.cos(np.pi * decay_progress))
        correction = tf.sqrt(1.0 - BETA_2**t) / (1.0 - BETA_1**t)
        # At first the average follows closely, else the weights at the start would weigh too much.
        average_share = tf.maximum(tf.minimum(1.0, 1.0 / (AVERAGING_SHARE * total)), 9.0 / (9.0 + t))
        return tf.stack([rate, correction, average_share])

    def rate_at(self, step: int) -> float:
        """Return the learning rate of the step of that number."""
        return float(self(step)[0])
