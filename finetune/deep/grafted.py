"""The head as Keras trains it, a dense layer on the trunk, and back again. Shapes: n samples, d features, k labels."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from finetune.deep.course import Course, Floats
from finetune.heads import Head, tag, temperature
from finetune.lesson import Lesson
from finetune.tasks import Task

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Unit:
    """How a regression's numbers are seen while a network learns: (y - mean) / unit; of other tasks, as they are."""

    mean: float = 0.0
    unit: float = 1.0

    @classmethod
    def of(cls, lesson: Lesson) -> Unit:
        """Return mean and deviation of the numbers that are trained on."""
        if lesson.task is not Task.REGRESS:
            return cls()
        y = lesson.y[lesson.train]
        return cls(float(y.mean()), float(y.std()) or 1.0)


def aims(lesson: Lesson) -> Floats:
    """Return what the network is to say of each sample, float32 [n,k]: one-hot classes, tags, or one number."""
    if lesson.task is Task.CLASSIFY:
        return np.asarray(np.eye(len(lesson.labels))[lesson.y], np.float32)
    if lesson.task is Task.TAG:
        return np.asarray(lesson.y, np.float32)
    scale = Unit.of(lesson)
    return np.asarray((lesson.y - scale.mean) / scale.unit, np.float32)[:, None]


def planted(lesson: Lesson) -> tuple[Floats, Floats]:
    """Return kernel [d,k] and bias [k] of a dense layer that says what the lesson's head says."""
    scale = Unit.of(lesson)
    kernel = lesson.head.weights.T / scale.unit
    bias = (lesson.head.bias - scale.mean) / scale.unit
    return kernel.astype(np.float32), bias.astype(np.float32)


def harvested(lesson: Lesson, kernel: Floats, bias: Floats, course: Course) -> Head[Any]:
    """Return the dense layer as a head, made honest on the validation part as that of a probe is.

    `kernel` [d,k] and `bias` [k] are its weights, `course` holds the trained network.
    """
    logits, y = judged(course)
    weights, choice = kernel.T.astype(np.float64), lesson.head.choice
    offset = bias.astype(np.float64)
    if lesson.task is Task.REGRESS:
        scale = Unit.of(lesson)
        off = float(np.sqrt(((logits - y) ** 2).mean())) * scale.unit
        weights, offset = weights * scale.unit, offset * scale.unit + scale.mean
        choice = dataclasses.replace(choice, val_rmse=off)
    elif lesson.task is Task.TAG:
        truth = y > 0.5
        cool, loss = tag.fit_temperature(logits, truth)
        limits = tuple(
            tag.thresholds((1 + np.tanh(logits / cool / 2)) / 2, truth)
        )  # the logistic function, which never overflows
        weights, offset = weights / cool, offset / cool
        choice = dataclasses.replace(choice, temperature=cool, val_loss=loss, thresholds=limits)
    else:
        cool, loss = temperature.fit_temperature(logits, y.argmax(1))
        weights, offset = weights / cool, offset / cool
        choice = dataclasses.replace(choice, temperature=cool, val_loss=loss)
    return dataclasses.replace(
        lesson.head, weights=weights.astype(np.float32), bias=offset.astype(np.float32), choice=choice, dropped=0
    )


def judged(course: Course) -> tuple[Doubles, Doubles]:
    """Return what the network says of the validation part and what is true, each float64 [m,k]."""
    said, true = [], []
    for batch in course.val():
        real = batch.weight > 0
        logits = keras.ops.convert_to_numpy(course.network(batch.x, training=False))
        said.append(logits[real].astype(np.float64))
        true.append(batch.y.astype(np.float64)[real])
    return np.concatenate(said), np.concatenate(true)


def keras_file(trunk: keras.Model, kernel: Floats, bias: Floats, folder: Path) -> bytes:
    """Return the bytes of model.keras: what the trunk takes -> logits float32 [n,k]. It is written into `folder`."""
    head = keras.layers.Dense(len(bias), name="head")
    network = keras.Model(trunk.input, head(trunk.output), name="trained")
    head.set_weights([kernel, bias])
    path = folder / "model.keras"
    network.save(path)
    return path.read_bytes()
