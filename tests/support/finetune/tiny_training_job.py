"""A training job of a second: random points and a dense network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from finetune.data.dataset import LabeledSample
from finetune.data.task import Task
from finetune.deep.training.batch_source import Batch
from finetune.deep.training_job import TrainingJob
from finetune.head import Head
from finetune.recipe import Depth, TrainingOptions
from graft.inputs.image import ImageInput
from zoo import get_backbone
from zoo.catalog.backbone import DEFAULT_IMAGE_BACKBONE

TRAIN, VAL, WIDTH, CLASSES = 120, 60, 6, 3


def points(task: Task, n: int = TRAIN + VAL) -> tuple[np.ndarray, np.ndarray]:
    """Return x float32 [n,6], and y float32 [n,k] that depends on it, with some noise."""
    random = np.random.default_rng(7)
    x = random.normal(size=(n, WIDTH)).astype(np.float32)
    scores = np.tanh(x @ random.normal(size=(WIDTH, CLASSES))) + 0.3 * random.normal(size=(n, CLASSES))
    if task is Task.CLASSIFY:
        return x, np.eye(CLASSES, dtype=np.float32)[scores.argmax(1)]
    if task is Task.TAG:
        return x, (scores > 0.3).astype(np.float32)
    return x, scores[:, :1].astype(np.float32)


class TinyBatchSource:
    """A `BatchSource` of points; its network has one hidden layer with dropout."""

    rate_factors: Mapping[str, float] = {}

    def __init__(self, batch: int, task: Task = Task.CLASSIFY, dropout: float = 0.2) -> None:
        self._batch, (self._x, self._y) = batch, points(task)
        inputs = keras.Input((WIDTH,), name="points")
        hidden = keras.layers.Dense(16, "relu", kernel_initializer=keras.initializers.GlorotUniform(3))(inputs)
        outputs = keras.layers.Dense(self._y.shape[1], kernel_initializer=keras.initializers.GlorotUniform(4))(
            keras.layers.Dropout(dropout)(hidden)
        )
        self.network = keras.Model({"points": inputs}, outputs)

    def steps_per_epoch(self) -> int:
        return -(-TRAIN // self._batch)

    def training_batch(self, epoch: int, step: int) -> Batch:
        order = np.random.default_rng(epoch).permutation(TRAIN)
        rows = order[step * self._batch : (step + 1) * self._batch]
        padding = self._batch - len(rows)
        weight = np.repeat(np.array([1, 0], np.float32), [len(rows), padding])
        return self._of(np.pad(rows, (0, padding)), weight)

    def validation_batches(self) -> Iterator[Batch]:
        for start in range(TRAIN, TRAIN + VAL, 25):
            rows = np.arange(start, min(start + 25, TRAIN + VAL))
            yield self._of(rows, np.ones(len(rows), np.float32))

    def _of(self, rows: np.ndarray, weight: np.ndarray) -> Batch:
        return Batch({"points": self._x[rows]}, self._y[rows], weight)


def tiny_job(folder: Path, task: Task = Task.CLASSIFY, depth: Depth = Depth.FULL, **more: Any) -> TrainingJob:
    """Return a job for `TinyBatchSource`; fields that only images and texts need are empty."""
    folder.mkdir(parents=True, exist_ok=True)
    training = {"epochs": 4, "batch": 32, "rate": 0.01} | more.pop("training", {})
    _, y = points(task)
    k = y.shape[1]
    return TrainingJob(
        backbone=get_backbone(DEFAULT_IMAGE_BACKBONE),
        depth=depth,
        task=task,
        inputs=ImageInput(8),
        samples=tuple[LabeledSample, ...](()),
        sha256=(),
        y=y,
        labels=tuple("abc"[:k]),
        sample_weights=np.ones(len(y), np.float32),
        train_rows=np.arange(TRAIN),
        val_rows=np.arange(TRAIN, TRAIN + VAL),
        start_head=Head("logistic", "Softmax", np.zeros((k, 4), np.float32), np.zeros(k, np.float32), None, 0),
        training=TrainingOptions(**training),
        folder=folder,
        **more,
    )
