"""Heads as the product fits them: chosen on the validation part, then fitted once more on both."""

from __future__ import annotations

from typing import Any

import numpy as np

from finetune.data.task import Task
from finetune.head import FitData, Head
from finetune.head.fit import HEAD_FITTERS


def choose_and_refit(
    task: Task,
    x: np.ndarray,
    y: np.ndarray,
    x_val: np.ndarray,
    y_val: np.ndarray,
    *,
    weights: np.ndarray | None = None,
    start: Head[Any] | None = None,
) -> Head[Any]:
    """A head of `task`, with the sample weights `weights`; the last fit starts from the head `start`."""
    rows = FitData(x, y, x_val, y_val, weights)
    return HEAD_FITTERS[task].refit(HEAD_FITTERS[task].choose(rows), rows, start)
