"""Features -> head, as the task wants it: classes weighted where they are uneven, the recipe searched where asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune.balance import fit_with_class_weights
from finetune.dataset import SplitPart
from finetune.heads import HEAD_FAMILIES, FitData, Grid, Head
from finetune.rows import take_rows
from finetune.split import Split
from finetune.tasks import Task
from zoo.progress import Progress

Float32Array = NDArray[np.float32]


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
    from finetune.heads.space import HeadSearchSpace
    from finetune.tune import find_best_trial

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
