"""Features -> head. The head does not know where the features come from."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune.check import check_class_counts, check_numeric_labels
from finetune.features import Features
from finetune.fitting import SelectedHead, fit_head
from finetune.heads import Head, read_onnx_versions
from finetune.plan import Plan
from finetune.proof import HeadRunner
from finetune.split import Split, check_train_classes, split_samples
from finetune.targets import Targets, build_targets
from finetune.tasks import Task
from finetune.unknown import with_novelty
from zoo.progress import Progress

Float32Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class HeadFit:
    """A fitted head; nobody has looked at the test part yet. Shapes: n samples, k labels."""

    targets: Targets  # of the n samples
    split: Split | None
    head: Head[Any] | None
    head_onnx: bytes | None
    head_runner: HeadRunner | None  # the head as the server will run it
    facts: dict[str, Any]  # what the manifest says of the head
    sample_weights: Float32Array  # [n], how much each sample counts

    @property
    def validation_loss(self) -> float:
        """The loss on the validation part of a head fitted to the train part alone; less is better."""
        return float(self.head.choice.val_loss) if self.head else 0.0


def train_head(plan: Plan, trunk_path: Path, features: Features, progress: Progress) -> HeadFit:
    """Split the samples and fit the head that the task wants.

    Raises:
        DatasetError: too few usable samples are left of a class, or a part is empty.
    """
    task = plan.dataset.task
    head_targets = build_targets(task, features.samples, plan.dataset.target_name)
    for note in head_targets.notes:
        progress.log(note)
    if task is Task.EMBED:
        return HeadFit(head_targets, None, None, None, None, {"kind": "none"}, np.ones(len(head_targets.y), np.float32))
    split = _split_usable_samples(plan, features, head_targets, progress)
    selected = _select_head(plan, features.x, head_targets, split, progress)
    return finalize_head(selected, features.x, head_targets, split, trunk_path, plan.recipe.unknown_at, progress)


def refit_head(
    plan: Plan, previous: HeadFit, trunk_path: Path, features: Features, warm_start: Head[Any], progress: Progress
) -> HeadFit:
    """Fit the head to what another trunk says of the same samples, split as `previous`.

    It starts from `warm_start`, and that one stays if validation likes it better.
    """
    targets, split = previous.targets, previous.split
    assert split  # noqa: S101  # mypy cannot know: only what has parts is trained deeper
    selected = _select_head(plan, features.x, targets, split, progress, warm_start)
    head = warm_start if warm_start.choice.val_loss < selected.head.choice.val_loss else selected.head
    selected = dataclasses.replace(selected, head=head)
    return finalize_head(selected, features.x, targets, split, trunk_path, plan.recipe.unknown_at, progress)


def _select_head(
    plan: Plan, x: Float32Array, targets: Targets, split: Split, progress: Progress, warm_start: Head[Any] | None = None
) -> SelectedHead:
    task, recipe = plan.dataset.task, plan.recipe
    return fit_head(task, x, targets.y, split, progress, trials=recipe.tune, seed=recipe.seed, warm_start=warm_start)


def finalize_head(
    selected: SelectedHead,
    x: Float32Array,
    targets: Targets,
    split: Split,
    trunk_path: Path,
    unknown_at: float | None,
    progress: Progress,
) -> HeadFit:
    """Return a fitted head as it will be published, with a novelty where `unknown_at` asks for one.

    `x` [n,d] are the features of all samples, `trunk_path` is the file that they come from.
    """
    head = selected.head
    if unknown_at is not None:
        head = with_novelty(head, x, targets.y, split, targets.labels, unknown_at, progress)
    head_onnx = head.to_onnx(*read_onnx_versions(trunk_path))
    return HeadFit(
        targets, split, head, head_onnx, HeadRunner(head_onnx), head.facts() | selected.facts, selected.sample_weights
    )


def _split_usable_samples(plan: Plan, features: Features, targets: Targets, progress: Progress) -> Split:
    """Split what can be used, after a look at whether that is still enough."""
    recipe, data = plan.recipe, plan.dataset
    distinct = list(dict(zip(features.sha256, features.samples, strict=True)).values())
    if data.task is Task.CLASSIFY:
        check_class_counts(data.source, distinct, f"usable {data.kind.plural}")
    if data.task is Task.REGRESS:
        check_numeric_labels(data.source, distinct)
    parts = split_samples(
        features.samples, features.sha256, targets.strata, seed=recipe.seed, val=recipe.val, test=recipe.test
    )
    if data.task is Task.CLASSIFY:
        check_train_classes(targets.strata, parts)
    for note in parts.notes:
        progress.log(note)
    return parts
