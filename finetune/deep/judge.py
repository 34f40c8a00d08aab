"""How good logits are on the validation part. Shapes: m samples, k labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from finetune.heads import tag, temperature
from finetune.tasks import Task

Doubles = NDArray[np.float64]


def judge(task: Task, logits: Doubles, y: Doubles) -> tuple[float, float]:
    """Return loss and score of `logits` [m,k] where `y` [m,k] is true.

    The loss of classes and tags is the log loss after the best temperature, because the head gets one in any case
    and smoothed labels make logits that want one; that of a number is the mean squared error. The scores are
    accuracy, micro F1 of what is likelier than not, and R².
    """
    if not np.isfinite(logits).all():
        return float("nan"), float("nan")
    if task is Task.CLASSIFY:
        truth = y.argmax(1)
        return temperature.fit_temperature(logits, truth)[1], float((logits.argmax(1) == truth).mean())
    if task is Task.TAG:
        given, truth = logits > 0, y > 0.5
        return tag.fit_temperature(logits, truth)[1], _f1(given, truth)
    off = float(((logits - y) ** 2).mean())
    return off, 1 - off / (float(y.var()) or 1.0)


def _f1(given: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    return 2 * int((given & truth).sum()) / max(1, int(given.sum()) + int(truth.sum()))
