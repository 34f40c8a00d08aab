"""How good a head is on the test part, which is looked at once, when everything is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune.dataset import Part, Sample
from finetune.features import Features
from finetune.learn import Learnt
from finetune.metrics import measure, measure_known, measure_numbers, measure_tags
from finetune.proof import Answers
from finetune.rows import are_large, slices, take
from finetune.tasks import Task

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Tested:
    """What a head said of m test samples. Without a head m and k are 0."""

    samples: tuple[Sample, ...]  # m
    rows: NDArray[np.intp]  # [m], of all features
    truth: NDArray[Any]  # [m] or [m,k]
    scores: Floats  # [m,k]
    metrics: dict[str, Any]
    novelty: Floats | None = None  # [m]; None where the head tells none


def tested(task: Task, learnt: Learnt, features: Features) -> Tested:
    """Measure a head on the test part."""
    aims = learnt.targets
    if learnt.answer is None or learnt.split is None:
        none = np.empty(0, np.intp)
        return Tested((), none, aims.y[none], np.empty((0, 0), np.float32), {})
    rows = learnt.split.rows(Part.TEST)
    said, truth = answered(learnt.answer, take(features.x, rows)), aims.y[rows]
    k = len(aims.labels)
    scores, novelty = said[:, :k], said[:, k] if said.shape[1] > k else None
    metrics = measured(task, scores, truth, aims.labels, learnt.facts)
    if novelty is not None:
        metrics["unknown"] = measure_known(scores, truth, novelty, learnt.facts["novelty"]["threshold"])
    return Tested(tuple(features.samples[row] for row in rows), rows, truth, scores, metrics, novelty)


def answered(answer: Answers, x: Floats) -> Floats:
    """Return what a head says of `x` [m,d], float32 [m,k] or, with the novelty, [m,k+1]."""
    if not are_large(x):
        return answer(x)
    return np.concatenate([answer(x[some]) for some in slices(*x.shape)])


def measured(
    task: Task, scores: Floats, y: NDArray[Any], labels: Sequence[str], facts: dict[str, Any]
) -> dict[str, Any]:
    """Return the metrics of what a head with those `facts` says, float32 [m,k], against the truth `y` [m] or [m,k]."""
    if task is Task.CLASSIFY:
        return measure(scores, y, labels)
    if task is Task.TAG:
        return measure_tags(scores, y, labels, facts["thresholds"])
    return measure_numbers(scores[:, 0].astype(np.float64), y)
