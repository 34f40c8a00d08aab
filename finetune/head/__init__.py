"""Heads: features [n,d] -> scores [n,k], one file for each task, one contract for all.

`choose(rows, grid) -> choice` chooses everything on the validation part; `refit(choice, rows, start) -> Head` fits once
more on both parts. The head is one Gemm with standardisation folded in; it does not know
where the features come from. It is fitted over chunks of them (`finetune.features.memmap_rows`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from finetune.data.task import Task
from finetune.head import classify_and_tag as classify
from finetune.head import regress, tag
from finetune.head.fit_data import FitData, Grid
from finetune.head.head_onnx import Head, read_onnx_versions

__all__ = ["HEAD_FAMILIES", "FitData", "Grid", "Head", "HeadFamily", "read_onnx_versions"]


@dataclass(frozen=True, slots=True)
class HeadFamily:
    """How the heads of a task are fitted; the facts of a choice that have other names for each task."""

    choose: Callable[..., Any]
    refit: Callable[..., Head[Any]]
    grid: Grid
    strength_field: str  # the field of a choice
    loss_field: str  # the field of a choice: on the validation part, the smaller the better


# Not in it: embed, which has no head.
HEAD_FAMILIES: Final = {
    Task.CLASSIFY: HeadFamily(classify.choose, classify.refit, classify.CLASSIFY_GRID, "strength", "val_loss"),
    Task.TAG: HeadFamily(tag.choose, tag.refit, tag.TAG_GRID, "strength", "val_loss"),
    Task.REGRESS: HeadFamily(regress.choose, regress.refit, regress.REGRESS_GRID, "penalty", "val_rmse"),
}
