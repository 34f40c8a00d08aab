"""Features -> head. The head does not know where the features come from.

Features -> head, as the task wants it: classes weighted where they are uneven, the recipe searched where asked.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune.data.dataset import SplitPart
from finetune.data.label_checks import check_class_counts, check_numeric_labels
from finetune.data.split import Split, check_train_classes, split_samples
from finetune.data.targets import Targets, build_targets
from finetune.data.task import Task
from finetune.features.extract import Features
from finetune.features.memmap_rows import take_rows
from finetune.head import HEAD_FAMILIES, FitData, Grid, Head, read_onnx_versions
from finetune.head.class_weights import fit_with_class_weights
from finetune.head.unknown import with_novelty
from finetune.plan import Plan
from graft.bundle.head_runner import HeadRunner
from graft.progress import Progress
from graft.types import Float32Array


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


@dataclass(frozen=True, slots=True)
class SelectedHead:
    """A head, how much each sample counted, float32 [n], and what the manifest says beside the head's own facts."""

    head: Head[Any]
    sample_weights: Float32Array
    facts: dict[str, Any]


def fit_head(
    task: Task,
    x: Float32Array,
    y: NDArray[Any],
    split: Split,
    progress: Progress,
    *,
    grid: Grid | None = None,
    trials: int = 0,
    seed: int = 0,
    warm_start: Head[Any] | None = None,
) -> SelectedHead:
    """Fit the head of `task` to features `x` [n,d] and targets `y` [n] or [n,k], split into `split`.

    `grid` is what the recipe is chosen from, by default the task's own; then `trials` more are tried, drawn by `seed`.
    `warm_start` is a head of the same targets and features that the last fit, to both parts, begins from. No choice does:
    a head that has seen the validation part would be praised for it.

    Raises:
        DatasetError: every feature is constant.
    """
    train, val = split.rows(SplitPart.TRAIN), split.rows(SplitPart.VAL)
    progress.log(f"fitting the head ({task}): {len(train):,} samples to train on, {len(val):,} to choose by")
    data = FitData(take_rows(x, train), y[train], take_rows(x, val), y[val])
    family = HEAD_FAMILIES[task]
    if task is Task.CLASSIFY:
        head, balance = fit_with_class_weights(data, progress, grid=grid or family.grid, warm_start=warm_start)
        selected = SelectedHead(head, balance.weights[y], {"balanced": balance.facts()})
    else:
        choice = family.choose(data, grid)
        selected = SelectedHead(family.refit(choice, data, warm_start), np.ones(len(y), np.float32), {})
    return _tune_head(task, data, y, selected, trials, seed, progress) if trials else selected


def refit_on_train_only(
    task: Task, head: Head[Any], x: Float32Array, y: NDArray[Any], split: Split, sample_weights: Float32Array
) -> Head[Any]:
    """Return the head of the same recipe, fitted to the train part alone: the rest may judge what goes on from it.

    It does not even begin from `fit_choice`, which has seen the rest. Other arguments are those of `fit_head`, and the
    `sample_weights` [n] of its answer.
    """
    train, none = split.rows(SplitPart.TRAIN), np.empty(0, np.intp)
    train_weights = sample_weights[train] if task is Task.CLASSIFY else None
    return HEAD_FAMILIES[task].refit(
        head.choice, FitData(take_rows(x, train), y[train], take_rows(x, none), y[none], train_weights)
    )


def _tune_head(
    task: Task, data: FitData, y: NDArray[Any], default: SelectedHead, trials: int, seed: int, progress: Progress
) -> SelectedHead:
    """Return the head of the best of `trials` recipes, or the usual one where none is better."""
    from finetune.head.tune import HeadSearchSpace, find_best_trial

    space = HeadSearchSpace(task, data, default.head)
    best_trial = find_best_trial(space, trials, seed, progress)
    before = space.objective(default.head.choice)
    better = best_trial.value < before
    facts = {"trials": trials, "kept": better, "value": best_trial.value, "usual": before, "at": dict(best_trial.point)}
    name = HEAD_FAMILIES[task].loss_field.replace("val_", "validation ")
    summary = f"tuned over {trials} trials: {name} {best_trial.value:.4g}, the usual choice's is {before:.4g}"
    if not better:
        progress.log(f"{summary}; that one stays")
        return SelectedHead(default.head, default.sample_weights, default.facts | {"tuned": facts})
    where = ", ".join(f"{axis} {value:.3g}" for axis, value in best_trial.point.items())
    progress.log(f"{summary}; kept: {where}")
    return SelectedHead(
        space.fit_choice(best_trial.outcome, best_trial.point),
        space.sample_weights(best_trial.point, y),
        default.facts | {"tuned": facts},
    )
