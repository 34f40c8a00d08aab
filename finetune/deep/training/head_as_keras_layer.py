"""Convert a head into a Keras dense layer on the trunk, and the trained layer back into a calibrated head.

Shapes: n samples, m of the validation set, d features, k labels.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from finetune.data.task import Task
from finetune.deep.training.batch_source import BatchSource
from finetune.deep.training_job import TrainingJob
from finetune.head import Head
from finetune.head.classify_and_tag import best_f1_thresholds
from finetune.head.temperature import fit_temperature
from graft.types import Float32Array, Float64Array


@dataclass(frozen=True, slots=True)
class TargetScale:
    """Standardisation of regression targets during training: (y - mean) / deviation; the identity for other tasks."""

    mean: float = 0.0
    deviation: float = 1.0

    @classmethod
    def from_job(cls, job: TrainingJob) -> TargetScale:
        """Return mean and deviation of the training set's numbers."""
        if job.task is not Task.REGRESS:
            return cls()
        y = job.y[job.train_rows]
        return cls(float(y.mean()), float(y.std()) or 1.0)


def training_targets(job: TrainingJob) -> Float32Array:
    """Return the targets of all samples, float32 [n,k]: one-hot classes, 0/1 tags, or one standardised number."""
    if job.task is Task.CLASSIFY:
        return np.asarray(np.eye(len(job.labels))[job.y], np.float32)
    if job.task is Task.TAG:
        return np.asarray(job.y, np.float32)
    scale = TargetScale.from_job(job)
    return np.asarray((job.y - scale.mean) / scale.deviation, np.float32)[:, None]


def dense_from_head(job: TrainingJob) -> tuple[Float32Array, Float32Array]:
    """Return kernel float32 [d,k] and bias float32 [k] of a dense layer that computes the job's start head."""
    scale = TargetScale.from_job(job)
    kernel = job.start_head.weights.T / scale.deviation
    bias = (job.start_head.bias - scale.mean) / scale.deviation
    return kernel.astype(np.float32), bias.astype(np.float32)


def head_from_dense(job: TrainingJob, kernel: Float32Array, bias: Float32Array, batches: BatchSource) -> Head[Any]:
    """Return a dense layer as a head, calibrated on the validation set like the head of a probe.

    Classes and tags get temperature scaling, tags also thresholds of the best F1.

    Args:
        job: the training job; its start head has all fields that training does not change.
        kernel: the trained weights, float32 [d,k].
        bias: float32 [k].
        batches: the trained network and the validation batches.
    """
    logits, y = predict_validation(batches)
    weights, choice = kernel.T.astype(np.float64), job.start_head.choice
    offset = bias.astype(np.float64)
    if job.task is Task.REGRESS:
        scale = TargetScale.from_job(job)
        rmse = float(np.sqrt(((logits - y) ** 2).mean())) * scale.deviation
        weights, offset = weights * scale.deviation, offset * scale.deviation + scale.mean
        choice = dataclasses.replace(choice, val_rmse=rmse)
    elif job.task is Task.TAG:
        truth = y > 0.5
        temperature, loss = fit_temperature(logits, truth)
        probabilities = (1 + np.tanh(logits / temperature / 2)) / 2  # the logistic function, by tanh: never overflows
        thresholds = tuple(best_f1_thresholds(probabilities, truth))
        weights, offset = weights / temperature, offset / temperature
        choice = dataclasses.replace(choice, temperature=temperature, val_loss=loss, thresholds=thresholds)
    else:
        temperature, loss = fit_temperature(logits, y.argmax(1))
        weights, offset = weights / temperature, offset / temperature
        choice = dataclasses.replace(choice, temperature=temperature, val_loss=loss)
    return dataclasses.replace(
        job.start_head,
        weights=weights.astype(np.float32),
        bias=offset.astype(np.float32),
        choice=choice,
        dropped_features=0,
    )


def predict_validation(batches: BatchSource) -> tuple[Float64Array, Float64Array]:
    """Return logits and targets of the validation set, each float64 [m,k]."""
    logit_batches, target_batches = [], []
    for batch in batches.validation_batches():
        counts = batch.weight > 0
        logits = keras.ops.convert_to_numpy(batches.network(batch.x, training=False))
        logit_batches.append(logits[counts].astype(np.float64))
        target_batches.append(batch.y.astype(np.float64)[counts])
    return np.concatenate(logit_batches), np.concatenate(target_batches)


def save_keras_model(trunk: keras.Model, kernel: Float32Array, bias: Float32Array, folder: Path) -> bytes:
    """Write trunk and head as one Keras model into `folder`/model.keras, and return the bytes of the file.

    The model maps the trunk's inputs to logits, float32 [n,k]. `kernel` is [d,k], `bias` [k].
    """
    head = keras.layers.Dense(len(bias), name="head")
    network = keras.Model(trunk.input, head(trunk.output), name="trained")
    head.set_weights([kernel, bias])
    path = folder / "model.keras"
    network.save(path)
    return path.read_bytes()
