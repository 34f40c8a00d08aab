"""Heads: features [n,d] -> scores [n,k], one file for each task, one contract for all.

`fit(x, y, x_val, y_val) -> Head` chooses everything on the validation part, then fits once more on both
parts. The head is one Gemm with standardisation folded in; it does not know where the features come from.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from finetune.heads import classify, regress, tag
from finetune.heads.linear import Head, trunk_versions
from finetune.tasks import Task

__all__ = ["FIT", "Head", "trunk_versions"]

# Not in it: embed, which has no head.
FIT: Final[dict[Task, Callable[..., Head[Any]]]] = {
    Task.CLASSIFY: classify.fit,
    Task.TAG: tag.fit,
    Task.REGRESS: regress.fit,
}
