"""How good a head is on the test part, which is looked at once, when everything is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune.data.dataset import LabeledSample, SplitPart
from finetune.data.task import Task
from finetune.evaluate.metrics import classification_metrics, regression_metrics, tagging_metrics, unknown_metrics
from finetune.features.extract import Features
from finetune.features.memmap_rows import chunk_slices, should_chunk, take_rows
from finetune.head.fit import HeadFit
from graft.bundle.head_runner import HeadRunner
from graft.types import Float32Array


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a head said of m test samples. Without a head m and k are 0."""

    samples: tuple[LabeledSample, ...]  # m
    rows: NDArray[np.intp]  # [m], of all features
    truth: NDArray[Any]  # [m] or [m,k]
    scores: Float32Array  # [m,k]
    metrics: dict[str, Any]
    novelty: Float32Array | None = None  # [m]; None where the head tells none


def evaluate_test_set(task: Task, head_fit: HeadFit, features: Features) -> Evaluation:
    """Measure a head on the test part."""
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
    """Return what a head says of `x` [m,d], float32 [m,k] or, with the novelty, [m,k+1]."""
    if not should_chunk(x):
        return head_runner(x)
    return np.concatenate([head_runner(x[some]) for some in chunk_slices(*x.shape)])


def compute_metrics(
    task: Task, scores: Float32Array, y: NDArray[Any], labels: Sequence[str], head_facts: dict[str, Any]
) -> dict[str, Any]:
    """Return the metrics of what a head with those `head_facts` says, float32 [m,k], against the truth `y` [m] or [m,k]."""
    if task is Task.CLASSIFY:
        return classification_metrics(scores, y, labels)
    if task is Task.TAG:
        return tagging_metrics(scores, y, labels, head_facts["thresholds"])
    return regression_metrics(scores[:, 0].astype(np.float64), y)
