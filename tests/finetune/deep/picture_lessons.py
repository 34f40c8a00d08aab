"""A lesson about pictures: EfficientNet-Lite0 with random weights at 32 pixels, and pictures of three colours."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import keras
import numpy as np

from finetune.dataset import Sample
from finetune.deep.export import kept_weights, plain_body
from finetune.deep.sizes import sized
from finetune.heads import FAMILIES, Rows
from finetune.lesson import Lesson
from finetune.tasks import Task
from finetune.training import Depth, Training
from tests.finetune.conftest import COLORS, noisy
from zoo.backbone import Backbone, get
from zoo.build.networks import whole
from zoo.image import ImageInput

SIZE = 32
TRAIN, VAL = 48, 24


def tiny_backbone(size: int = SIZE) -> Backbone:
    return sized(get("efficientnet_lite0"), size)


def random_weights(path: Path) -> Path:
    """Weights of `tiny_backbone` in a file, the same ones every time; its normalisation is not that of fresh layers."""
    keras.utils.set_random_seed(3)
    body, random = plain_body(tiny_backbone(), None, None), np.random.default_rng(3)
    for layer in body.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([random.uniform(0.8, 1.2, weight.shape) for weight in layer.weights])
    return kept_weights(path, body.get_weights())


def picture_lesson(folder: Path, depth: Depth, *, task: Task = Task.CLASSIFY, **training: Any) -> Lesson:
    """72 pictures of 24x20 pixels, 48 to learn from and 24 to choose by; the head is a probe of the former."""
    folder.mkdir(parents=True, exist_ok=True)
    start = random_weights(folder / "start.weights.npz")
    names = sorted(COLORS)
    y = np.arange(TRAIN + VAL) % len(names)
    samples = tuple(
        Sample(f"{at}.png", names[label], None, noisy(COLORS[names[label]], at)) for at, label in enumerate(y.tolist())
    )
    backbone, inputs = tiny_backbone(), ImageInput(SIZE)
    trunk = whole(backbone, plain_body(backbone, None, start))
    x = trunk.predict_on_batch(np.stack([inputs(sample.read()) for sample in samples]))
    aims = {Task.CLASSIFY: y, Task.TAG: np.eye(3, dtype=np.bool_)[y], Task.REGRESS: 100.0 + 10 * y}[task]
    train, val = np.arange(TRAIN), np.arange(TRAIN, TRAIN + VAL)
    family = FAMILIES[task]
    choice = family.choose(Rows(x[train], aims[train], x[val], aims[val]))
    return Lesson(
        backbone=backbone,
        depth=depth,
        task=task,
        inputs=inputs,
        samples=samples,
        sha256=tuple(hashlib.sha256(sample.read()).digest() for sample in samples),
        y=aims,
        labels=tuple(names) if task is not Task.REGRESS else ("value",),
        weights=np.ones(len(y), np.float32),
        train=train,
        val=val,
        head=family.refit(choice, Rows(x[train], aims[train], x[:0], aims[:0])),
        start=start,
        training=Training(**{"epochs": 2, "batch": 16, "rate": 1e-3, "views": 1} | training),
        seed=5,
        folder=folder / "run",
    )


def ignorant(lesson: Lesson) -> Lesson:
    """The same lesson with a head that knows nothing: whatever is learnt is better."""
    return dataclasses.replace(lesson, head=dataclasses.replace(lesson.head, weights=0 * lesson.head.weights))
