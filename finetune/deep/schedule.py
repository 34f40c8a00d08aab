"""What a run sets out to do: chosen before its first step, kept in its checkpoint."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

from finetune.lesson import Lesson
from finetune.tasks import Task
from finetune.training import Depth

BATCH: Final = 32
# Epochs at most, peak rate for a batch of 32, weight decay. Pictures and texts may know better, and say so in the
# lesson's training.
DEFAULTS: Final = {Depth.TOP: (20, 1e-3, 0.01), Depth.FULL: (10, 3e-4, 0.01), Depth.LORA: (10, 5e-4, 0.01)}
SMOOTHING: Final = 0.1  # of classes; Szegedy et al. 2016
SAFE: Final = 0.9  # share of the time left that is planned with


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long a run is."""

    batch: int
    epochs: int
    steps: int  # of an epoch

    @property
    def total(self) -> int:
        """Return the steps of the whole run."""
        return self.epochs * self.steps


@dataclass(frozen=True, slots=True)
class Settings:
    """How to train, with nothing left open."""

    epochs: int  # at most
    batch: int
    rate: float  # peak, for this size of batch
    weight_decay: float
    smoothing: float  # of labels
    patience: int

    @classmethod
    def of(cls, lesson: Lesson, batch: int) -> Settings:
        """Return what the lesson says, and by its depth and task what it leaves open."""
        wish = lesson.training
        epochs, rate, decay = DEFAULTS[lesson.depth]
        smoothing = SMOOTHING if lesson.task is Task.CLASSIFY else 0.0
        return cls(
            epochs=wish.epochs or epochs,
            batch=batch,
            rate=(wish.rate or rate) * batch / BATCH,
            weight_decay=decay if wish.weight_decay is None else wish.weight_decay,
            smoothing=smoothing if wish.smoothing is None else wish.smoothing,
            patience=wish.patience,
        )


def fitted(wanted: Schedule, left: float, step: float, look: float) -> Schedule:
    """Return as many of the `wanted` epochs as fit into the seconds `left`, so that the cosine ends in time.

    A step takes `step` seconds, a look at the validation part `look`. Where not even one epoch fits, it is
    cut short; where not even a step does, there are no epochs.
    """
    left *= SAFE
    epochs = math.floor(left / (wanted.steps * step + look))
    if epochs >= 1:
        return replace(wanted, epochs=min(wanted.epochs, epochs))
    steps = math.floor((left - look) / step)
    return replace(wanted, epochs=1, steps=steps) if steps >= 1 else replace(wanted, epochs=0)
