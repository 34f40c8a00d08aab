"""Features -> head, and how good it is. The head does not know where the features come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune.check import check_counts, check_numbers
from finetune.dataset import Part
from finetune.features import Features
from finetune.heads import FIT, trunk_versions
from finetune.metrics import measure, measure_numbers, measure_tags
from finetune.plan import Plan
from finetune.proof import Answers
from finetune.split import Split, check_trained, split
from finetune.targets import Targets, targets
from finetune.tasks import Task
from zoo.progress import Progress

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Learnt:
    """A head with its proof. Shapes: n samples, m of them tested, k labels; without a head m and k are 0."""

    targets: Targets  # of the n samples
    head_onnx: bytes | None
    answer: Answers | None  # the head as the server will run it
    facts: dict[str, Any]  # what the manifest says of the head
    metrics: dict[str, Any]
    split: Split | None
    test: NDArray[np.intp]  # [m], rows of the test part
    truth: NDArray[Any]  # targets of the test part: [m] or [m,k]
    scores: Floats  # [m,k], what the head says of the test part


def learn(plan: Plan, trunk: Path, features: Features, progress: Progress) -> Learnt:
    """Fit the head that the task wants and measure it on the test part, the one time that this is looked at.

    Raises:
        DatasetError: too few usable samples are left of a class, or a part is empty.
    """
    task = plan.dataset.task
    aims = targets(task, features.samples, plan.dataset.target)
    for note in aims.notes:
        progress.say(note)
    if task is Task.EMBED:
        none = np.empty(0, np.intp)
        return Learnt(aims, None, None, {"kind": "none"}, {}, None, none, aims.y[none], np.empty((0, 0), np.float32))
    parts = _split(plan, features, aims, progress)
    train, val, test = (parts.rows(part) for part in Part)
    progress.say(f"fitting the head ({task}): {len(train):,} samples to train on, {len(val):,} to choose by")
    x, y = features.x, aims.y
    head = FIT[task](x[train], y[train], x[val], y[val])
    head_onnx = head.to_onnx(*trunk_versions(trunk))
    answer = Answers(head_onnx)  # float32 [n,d] -> [n,k], by the very bytes that are published
    scores = answer(x[test])
    facts = head.facts()
    metrics = _measured(task, scores, y[test], aims.labels, facts)
    return Learnt(aims, head_onnx, answer, facts, metrics, parts, test, y[test], scores)


def _measured(
    task: Task, scores: Floats, y: NDArray[Any], labels: Sequence[str], facts: dict[str, Any]
) -> dict[str, Any]:
    if task is Task.CLASSIFY:
        return measure(scores, y, labels)
    if task is Task.TAG:
        return measure_tags(scores, y, labels, facts["thresholds"])
    return measure_numbers(scores[:, 0].astype(np.float64), y)


def _split(plan: Plan, features: Features, aims: Targets, progress: Progress) -> Split:
    """Split what can be used, after a look at whether that is still enough."""
    recipe, data = plan.recipe, plan.dataset
    distinct = list(dict(zip(features.sha256, features.samples, strict=True)).values())
    if data.task is Task.CLASSIFY:
        check_counts(data.source, distinct, f"usable {data.kind.plural}")
    if data.task is Task.REGRESS:
        check_numbers(data.source, distinct)
    parts = split(features.samples, features.sha256, aims.strata, seed=recipe.seed, val=recipe.val, test=recipe.test)
    if data.task is Task.CLASSIFY:
        check_trained(aims.strata, parts)
    for note in parts.notes:
        progress.say(note)
    return parts
