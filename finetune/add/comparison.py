"""What it did to a model to be taught more: the old test part before and after, and the new one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from finetune.add.known import Known
from finetune.learn import Learnt
from finetune.measuring import Tested, answered, measured
from finetune.proof import Answers
from finetune.rows import take
from finetune.tasks import Task

Floats = NDArray[np.float32]

HEADLINE: Final = {Task.CLASSIFY: "accuracy", Task.TAG: "micro_f1", Task.REGRESS: "rmse"}
EACH: Final = {Task.CLASSIFY: "recall", Task.TAG: "f1"}  # of a label


def compared(known: Known, x: Floats, learnt: Learnt, test: Tested) -> dict[str, Any]:
    """Return the comparison, ready for JSON; `x` [n,d] are the features of what the model was taught before.

    "metric" names what "before" and "after" are on the old test part and "new" on the new one (None where none of
    the new samples measures); "labels" says the same of each label, by its recall or F1.
    """
    n, task = len(known.examples.sha256), known.task
    was = test.rows < n
    before = _before(known, take(x, test.rows[was]), test.truth[was], learnt)
    after = measured(task, test.scores[was], test.truth[was], learnt.targets.labels, learnt.facts)
    new = (
        measured(task, test.scores[~was], test.truth[~was], learnt.targets.labels, learnt.facts)
        if (~was).any()
        else None
    )
    metric = HEADLINE[task]
    return {
        "metric": metric,
        "old_samples": int(was.sum()),
        "before": before[metric],
        "after": after[metric],
        "new_samples": int((~was).sum()),
        "new": new[metric] if new else None,
        "labels": _each(task, before, after, new) if task in EACH else {},
    }


def _before(known: Known, x: Floats, truth: NDArray[Any], learnt: Learnt) -> dict[str, Any]:
    """Measure the old head on the old test part, its truth as the old labels say it."""
    labels, now = known.manifest.labels, learnt.targets.labels
    said = answered(Answers(known.bundle.layout.head.read_bytes()), x)
    scores = said[:, : len(labels)]  # without the novelty
    if known.task is Task.CLASSIFY:
        truth = np.array([labels.index(now[label]) for label in truth.tolist()], np.intp)
    if known.task is Task.TAG:
        told = {label: truth[:, column] for column, label in enumerate(now)}
        none = np.zeros(len(truth), np.bool_)
        truth = np.stack([told.get(label, none) for label in labels], 1)
    return measured(known.task, scores, truth, labels, known.manifest.head)


def _each(
    task: Task, before: Mapping[str, Any], after: Mapping[str, Any], new: Mapping[str, Any] | None
) -> dict[str, dict[str, Any]]:
    """Return for each label that is in either part how often it is there, and how well it does."""
    what = EACH[task]
    told: dict[str, dict[str, Any]] = {}
    for label, facts in after["per_class"].items():
        fresh = new["per_class"][label] if new else {"support": 0, what: None}
        if facts["support"] or fresh["support"]:
            told[label] = {
                "before": before["per_class"].get(label, {}).get(what),
                "after": facts[what] if facts["support"] else None,
                "old_samples": facts["support"],
                "new": fresh[what] if fresh["support"] else None,
                "new_samples": fresh["support"],
            }
    return told
