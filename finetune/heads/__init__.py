"""Heads: features [n,d] -> scores [n,k], one file for each task, one contract for all.

`choose(rows, grid) -> choice` chooses everything on the validation part; `refit(choice, rows, start) -> Head` fits once
more on both parts. The head is one Gemm with standardisation folded in; it does not know
where the features come from. It is fitted over chunks of them (`finetune.rows`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from finetune.heads import classify, regress, tag
from finetune.heads.grid import Grid
from finetune.heads.linear import Head, trunk_versions
from finetune.heads.rows import Rows
from finetune.tasks import Task

__all__ = ["FAMILIES", "Family", "Grid", "Head", "Rows", "trunk_versions"]


@dataclass(frozen=True, slots=True)
class Family:
    """How the heads of a task are fitted; the facts of a choice that have other names for each task."""

    choose: Callable[..., Any]
    refit: Callable[..., Head[Any]]
    grid: Grid
    strength: str  # the field of a choice
    loss: str  # the field of a choice: on the validation part, the smaller the better


# Not in it: embed, which has no head.
FAMILIES: Final = {
    Task.CLASSIFY: Family(classify.choose, classify.refit, classify.GRID, "strength", "val_loss"),
    Task.TAG: Family(tag.choose, tag.refit, tag.GRID, "strength", "val_loss"),
    Task.REGRESS: Family(regress.choose, regress.refit, regress.GRID, "penalty", "val_rmse"),
}
