"""Features -> head, as the task wants it: classes weighted where they are uneven, the recipe searched where asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune.balance import fit_balanced
from finetune.dataset import Part
from finetune.heads import FAMILIES, Grid, Head, Rows
from finetune.rows import take
from finetune.split import Split
from finetune.tasks import Task
from zoo.progress import Progress

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Fitted:
    """A head, how much each sample counted, float32 [n], and what the manifest says beside the head's own facts."""

    head: Head[Any]
    weights: Floats
    facts: dict[str, Any]


def fit_head(
    task: Task,
    x: Floats,
    y: NDArray[Any],
    parts: Split,
    progress: Progress,
    *,
    grid: Grid | None = None,
    trials: int = 0,
    seed: int = 0,
    start: Head[Any] | None = None,
) -> Fitted:
    """Fit the head of `task` to features `x` [n,d] and targets `y` [n] or [n,k], split into `parts`.

    `grid` is what the recipe is chosen from, by default the task's own; then `trials` more are tried, drawn by `seed`.
    `start` is a head of the same targets and features that the last fit, to both parts, begins from. No choice does:
    a head that has seen the validation part would be praised for it.

    Raises:
        DatasetError: every feature is constant.
    """
    train, val = parts.rows(Part.TRAIN), parts.rows(Part.VAL)
    progress.say(f"fitting the head ({task}): {len(train):,} samples to train on, {len(val):,} to choose by")
    rows = Rows(take(x, train), y[train], take(x, val), y[val])
    family = FAMILIES[task]
    if task is Task.CLASSIFY:
        head, balance = fit_balanced(rows, progress, grid=grid or family.grid, start=start)
        fitted = Fitted(head, balance.weights[y], {"balanced": balance.facts()})
    else:
        choice = family.choose(rows, grid)
        fitted = Fitted(family.refit(choice, rows, start), np.ones(len(y), np.float32), {})
    return _tuned(task, rows, y, fitted, trials, seed, progress) if trials else fitted


def without_validation(
    task: Task, head: Head[Any], x: Floats, y: NDArray[Any], parts: Split, weights: Floats
) -> Head[Any]:
    """Return the head of the same recipe, fitted to the train part alone: the rest may judge what goes on from it.

    It does not even begin from `head`, which has seen the rest. Other arguments are those of `fit_head`, and the
    `weights` [n] of its answer.
    """
    train, none = parts.rows(Part.TRAIN), np.empty(0, np.intp)
    each = weights[train] if task is Task.CLASSIFY else None
    return FAMILIES[task].refit(head.choice, Rows(take(x, train), y[train], take(x, none), y[none], each))


def _tuned(
    task: Task, rows: Rows, y: NDArray[Any], usual: Fitted, trials: int, seed: int, progress: Progress
) -> Fitted:
    """Return the head of the best of `trials` recipes, or the usual one where none is better."""
    from finetune.heads.space import HeadSpace
    from finetune.tune import search

    space = HeadSpace(task, rows, usual.head)
    found = search(space, trials, seed, progress)
    before = space.value(usual.head.choice)
    better = found.value < before
    facts = {"trials": trials, "kept": better, "value": found.value, "usual": before, "at": dict(found.at)}
    name = FAMILIES[task].loss.replace("val_", "validation ")
    told = f"tuned over {trials} trials: {name} {found.value:.4g}, the usual choice's is {before:.4g}"
    if not better:
        progress.say(f"{told}; that one stays")
        return Fitted(usual.head, usual.weights, usual.facts | {"tuned": facts})
    where = ", ".join(f"{axis} {value:.3g}" for axis, value in found.at.items())
    progress.say(f"{told}; kept: {where}")
    return Fitted(space.head(found.made, found.at), space.weights(found.at, y), usual.facts | {"tuned": facts})
