"""Features -> head. The head does not know where the features come from."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune.check import check_counts, check_numbers
from finetune.features import Features
from finetune.fitting import Fitted, fit_head
from finetune.heads import Head, trunk_versions
from finetune.plan import Plan
from finetune.proof import Answers
from finetune.split import Split, check_trained, split
from finetune.targets import Targets, targets
from finetune.tasks import Task
from finetune.unknown import rejecting
from zoo.progress import Progress

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Learnt:
    """A fitted head; nobody has looked at the test part yet. Shapes: n samples, k labels."""

    targets: Targets  # of the n samples
    split: Split | None
    head: Head[Any] | None
    head_onnx: bytes | None
    answer: Answers | None  # the head as the server will run it
    facts: dict[str, Any]  # what the manifest says of the head
    weights: Floats  # [n], how much each sample counts

    @property
    def validation(self) -> float:
        """The loss on the validation part of a head fitted to the train part alone; less is better."""
        return float(self.head.choice.val_loss) if self.head else 0.0


def learn(plan: Plan, trunk: Path, features: Features, progress: Progress) -> Learnt:
    """Split the samples and fit the head that the task wants.

    Raises:
        DatasetError: too few usable samples are left of a class, or a part is empty.
    """
    task = plan.dataset.task
    aims = targets(task, features.samples, plan.dataset.target)
    for note in aims.notes:
        progress.say(note)
    if task is Task.EMBED:
        return Learnt(aims, None, None, None, None, {"kind": "none"}, np.ones(len(aims.y), np.float32))
    parts = _split(plan, features, aims, progress)
    fitted = _fitted(plan, features.x, aims, parts, progress)
    return settled(fitted, features.x, aims, parts, trunk, plan.recipe.unknown_at, progress)


def relearn(
    plan: Plan, before: Learnt, trunk: Path, features: Features, start: Head[Any], progress: Progress
) -> Learnt:
    """Fit the head to what another trunk says of the same samples, split as `before`.

    It starts from `start`, and that one stays if validation likes it better.
    """
    aims, parts = before.targets, before.split
    assert parts  # noqa: S101  # mypy cannot know: only what has parts is trained deeper
    fitted = _fitted(plan, features.x, aims, parts, progress, start)
    head = start if start.choice.val_loss < fitted.head.choice.val_loss else fitted.head
    fitted = dataclasses.replace(fitted, head=head)
    return settled(fitted, features.x, aims, parts, trunk, plan.recipe.unknown_at, progress)


def _fitted(
    plan: Plan, x: Floats, aims: Targets, parts: Split, progress: Progress, start: Head[Any] | None = None
) -> Fitted:
    task, recipe = plan.dataset.task, plan.recipe
    return fit_head(task, x, aims.y, parts, progress, trials=recipe.tune, seed=recipe.seed, start=start)


def settled(
    fitted: Fitted, x: Floats, aims: Targets, parts: Split, trunk: Path, unknown_at: float | None, progress: Progress
) -> Learnt:
    """Return a fitted head as it will be published, with a novelty where `unknown_at` asks for one.

    `x` [n,d] are the features of all samples, `trunk` is the file that they come from.
    """
    head = fitted.head
    if unknown_at is not None:
        head = rejecting(head, x, aims.y, parts, aims.labels, unknown_at, progress)
    head_onnx = head.to_onnx(*trunk_versions(trunk))
    return Learnt(aims, parts, head, head_onnx, Answers(head_onnx), head.facts() | fitted.facts, fitted.weights)


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
