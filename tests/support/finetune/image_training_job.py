"""A training job of images: EfficientNet-Lite0 with random weights at 32 pixels, and images of three colours."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import keras
import numpy as np

from finetune.data.dataset import LabeledSample
from finetune.data.task import Task
from finetune.deep.images.export_trunk import load_functional_body, save_weights_npz
from finetune.deep.images.image_size import with_input_size
from finetune.deep.training_job import TrainingJob
from finetune.head import FitData
from finetune.head.fit import HEAD_FITTERS
from finetune.recipe import Depth, TrainingOptions
from graft.inputs.image import ImageInput
from tests.support.class_folders import COLORS, noisy
from zoo.catalog.backbone import Backbone
from zoo.catalog.find import get_backbone
from zoo.convert.networks import trunk_from_network

SIZE = 32
TRAIN, VAL = 48, 24


def tiny_backbone(size: int = SIZE) -> Backbone:
    return with_input_size(get_backbone("efficientnet_lite0"), size)


def random_weights(path: Path) -> Path:
    """Write the same random weights of `tiny_backbone` every time, with BatchNorm statistics unlike a fresh layer's."""
    keras.utils.set_random_seed(3)
    body, random = load_functional_body(tiny_backbone(), None, None), np.random.default_rng(3)
    for layer in body.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([random.uniform(0.8, 1.2, weight.shape) for weight in layer.weights])
    return save_weights_npz(path, body.get_weights())


def image_job(folder: Path, depth: Depth, *, task: Task = Task.CLASSIFY, **training: Any) -> TrainingJob:
    """Return a job of 72 images of 24x20 pixels, 48 to train on, 24 for validation; its head is a probe of the 48."""
    folder.mkdir(parents=True, exist_ok=True)
    start = random_weights(folder / "start.weights.npz")
    names = sorted(COLORS)
    y = np.arange(TRAIN + VAL) % len(names)
    samples = tuple(
        LabeledSample(f"{at}.png", names[label], None, noisy(COLORS[names[label]], at))
        for at, label in enumerate(y.tolist())
    )
    backbone, inputs = tiny_backbone(), ImageInput(SIZE)
    trunk = trunk_from_network(backbone, load_functional_body(backbone, None, start))
    x = trunk.predict_on_batch(np.stack([inputs(sample.read()) for sample in samples]))
    targets = {Task.CLASSIFY: y, Task.TAG: np.eye(3, dtype=np.bool_)[y], Task.REGRESS: 100.0 + 10 * y}[task]
    train, val = np.arange(TRAIN), np.arange(TRAIN, TRAIN + VAL)
    fitter = HEAD_FITTERS[task]
    choice = fitter.choose(FitData(x[train], targets[train], x[val], targets[val]))
    return TrainingJob(
        backbone=backbone,
        depth=depth,
        task=task,
        inputs=inputs,
        samples=samples,
        sha256=tuple(hashlib.sha256(sample.read()).digest() for sample in samples),
        y=targets,
        labels=tuple(names) if task is not Task.REGRESS else ("value",),
        sample_weights=np.ones(len(y), np.float32),
        train_rows=train,
        val_rows=val,
        start_head=fitter.refit(choice, FitData(x[train], targets[train], x[:0], targets[:0])),
        start_weights=start,
        training=TrainingOptions(**{"epochs": 2, "batch": 16, "rate": 1e-3, "views": 1} | training),
        seed=5,
        folder=folder / "run",
    )


def with_zero_head(job: TrainingJob) -> TrainingJob:
    """Return `job` with a head of zeros, so that any training improves it."""
    return dataclasses.replace(job, start_head=dataclasses.replace(job.start_head, weights=0 * job.start_head.weights))
