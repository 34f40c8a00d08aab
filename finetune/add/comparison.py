"""Compare a model before and after `finetune add`: metrics on the old test part with both heads, and on the new one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from finetune.add.existing_model import ExistingModel
from finetune.data.task import Task
from finetune.evaluate.evaluate_test_set import Evaluation, compute_metrics, predict_in_chunks
from finetune.features.memmap_rows import take_rows
from finetune.head.fit import HeadFit
from graft.bundle.head_runner import HeadRunner
from graft.types import Float32Array

HEADLINE_METRIC: Final = {Task.CLASSIFY: "accuracy", Task.TAG: "micro_f1", Task.REGRESS: "rmse"}
PER_LABEL_METRIC: Final = {Task.CLASSIFY: "recall", Task.TAG: "f1"}


def compare_versions(existing: ExistingModel, x: Float32Array, head_fit: HeadFit, test: Evaluation) -> dict[str, Any]:
    """Return the comparison, ready for JSON; `x` [n,d] are the features of the old samples.

    "metric" names the metric of "before" and "after" (on the old test part) and "new" (on the new test part, None if
    that is empty); "labels" has the recall or F1 of each label likewise.
    """
    n, task = len(existing.training_record.sha256), existing.task
    is_old = test.rows < n
    before = _measure_old_head(existing, take_rows(x, test.rows[is_old]), test.truth[is_old], head_fit)
    after = compute_metrics(task, test.scores[is_old], test.truth[is_old], head_fit.targets.labels, head_fit.facts)
    new = (
        compute_metrics(task, test.scores[~is_old], test.truth[~is_old], head_fit.targets.labels, head_fit.facts)
        if (~is_old).any()
        else None
    )
    metric = HEADLINE_METRIC[task]
    return {
        "metric": metric,
        "old_samples": int(is_old.sum()),
        "before": before[metric],
        "after": after[metric],
        "new_samples": int((~is_old).sum()),
        "new": new[metric] if new else None,
        "labels": _compare_labels(task, before, after, new) if task in PER_LABEL_METRIC else {},
    }


def _measure_old_head(
    existing: ExistingModel, x: Float32Array, truth: NDArray[Any], head_fit: HeadFit
) -> dict[str, Any]:
    """Return the metrics of the old head on the old test part: `x` [m,d], `truth` in terms of the new labels."""
    old_labels, new_labels = existing.manifest.labels, head_fit.targets.labels
    outputs = predict_in_chunks(HeadRunner(existing.bundle.layout.head.read_bytes()), x)
    scores = outputs[:, : len(old_labels)]  # without the novelty column
    if existing.task is Task.CLASSIFY:
        truth = np.array([old_labels.index(new_labels[label]) for label in truth.tolist()], np.intp)
    if existing.task is Task.TAG:
        columns_by_label = {label: truth[:, column] for column, label in enumerate(new_labels)}
        none = np.zeros(len(truth), np.bool_)
        truth = np.stack([columns_by_label.get(label, none) for label in old_labels], 1)
    return compute_metrics(existing.task, scores, truth, old_labels, existing.manifest.head)


def _compare_labels(
    task: Task, before: Mapping[str, Any], after: Mapping[str, Any], added: Mapping[str, Any] | None
) -> dict[str, dict[str, Any]]:
    """Return the sample counts and metrics of each label that occurs in either test part."""
    metric = PER_LABEL_METRIC[task]
    rows: dict[str, dict[str, Any]] = {}
    for label, facts in after["per_class"].items():
        added_facts = added["per_class"][label] if added else {"support": 0, metric: None}
        if facts["support"] or added_facts["support"]:
            rows[label] = {
                "before": before["per_class"].get(label, {}).get(metric),
                "after": facts[metric] if facts["support"] else None,
                "old_samples": facts["support"],
                "new": added_facts[metric] if added_facts["support"] else None,
                "new_samples": added_facts["support"],
            }
    return rows
