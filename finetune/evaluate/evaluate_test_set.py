"""Evaluate a head on the test part. It is used once, after everything is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune.data.dataset import LabeledSample, SplitPart
from finetune.data.task import Task
from finetune.evaluate.classification_metrics import classification_metrics, tagging_metrics, unknown_metrics
from finetune.features.extract import Features
from finetune.features.memmap_rows import chunk_slices, should_chunk, take_rows
from finetune.head.fit import HeadFit
from graft.bundle.head_runner import HeadRunner
from graft.types import Float32Array, Float64Array, IndexArray


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The scores of m test samples, and the metrics that follow. Without a head m and k are 0."""

    samples: tuple[LabeledSample, ...]  # m
    rows: IndexArray  # [m], rows of all features
    truth: NDArray[Any]  # [m] or [m,k]
    scores: Float32Array  # [m,k]
    metrics: dict[str, Any]
    novelty: Float32Array | None = None  # [m]; None: the head has no novelty


def evaluate_test_set(task: Task, head_fit: HeadFit, features: Features) -> Evaluation:
    """Run a head on the test part of its samples and compute the metrics of `task`."""
    targets = head_fit.targets
    if head_fit.head_runner is None or head_fit.split is None:
        none = np.empty(0, np.intp)
        return Evaluation((), none, targets.y[none], np.empty((0, 0), np.float32), {})
    rows = head_fit.split.rows(SplitPart.TEST)
    outputs, truth = predict_in_chunks(head_fit.head_runner, take_rows(features.x, rows)), targets.y[rows]
    k = len(targets.labels)
    scores, novelty = outputs[:, :k], outputs[:, k] if outputs.shape[1] > k else None
    metrics = compute_metrics(task, scores, truth, targets.labels, head_fit.facts)
    if novelty is not None:
        metrics["unknown"] = unknown_metrics(scores, truth, novelty, head_fit.facts["novelty"]["threshold"])
    return Evaluation(tuple(features.samples[row] for row in rows), rows, truth, scores, metrics, novelty)


def predict_in_chunks(head_runner: HeadRunner, x: Float32Array) -> Float32Array:
    """Return the head's outputs for the features `x` [m,d]: scores float32 [m,k] or, with the novelty, [m,k+1]."""
    if not should_chunk(x):
        return head_runner(x)
    return np.concatenate([head_runner(x[rows]) for rows in chunk_slices(*x.shape)])


def compute_metrics(
    task: Task, scores: Float32Array, y: NDArray[Any], labels: Sequence[str], head_facts: dict[str, Any]
) -> dict[str, Any]:
    """Return the metrics of `scores` float32 [m,k] against the truth `y` [m] or [m,k], ready for JSON.

    `head_facts` is the manifest's entry `head`; of tags it holds the thresholds.
    """
    if task is Task.CLASSIFY:
        return classification_metrics(scores, y, labels)
    if task is Task.TAG:
        return tagging_metrics(scores, y, labels, head_facts["thresholds"])
    return regression_metrics(scores[:, 0].astype(np.float64), y)


def regression_metrics(predictions: Float64Array, truth: Float64Array) -> dict[str, Any]:
    """Return R², mean absolute error, RMSE and bias of `predictions` [n] against the `truth` [n], in the target's unit.

    R² is None where all of the truth is one number, for then there is no variance to explain.

    >>> regression_metrics(np.array([1.0, 2.0, 4.0]), np.array([1.0, 2.0, 3.0]))["r2"]
    0.5
    """
    errors = np.asarray(predictions, np.float64) - truth
    variation = float(((truth - truth.mean()) ** 2).sum())
    return {
        "samples": len(truth),
        "r2": 1 - float((errors**2).sum()) / variation if variation else None,
        "mae": float(np.abs(errors).mean()),
        "rmse": float(np.sqrt((errors**2).mean())),
        "bias": float(errors.mean()),
    }
