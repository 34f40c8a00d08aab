"""How good logits are on the validation part. Shapes: m samples, k labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from finetune.heads import tag, temperature
from finetune.tasks import Task

Float64Array = NDArray[np.float64]


def validation_metrics(task: Task, logits: Float64Array, y: Float64Array) -> tuple[float, float]:
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
        predicted_tags, truth = logits > 0, y > 0.5
        return tag.fit_tag_temperature(logits, truth)[1], _micro_f1(predicted_tags, truth)
    mse = float(((logits - y) ** 2).mean())
    return mse, 1 - mse / (float(y.var()) or 1.0)


def _micro_f1(prediction: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    return 2 * int((prediction & truth).sum()) / max(1, int(prediction.sum()) + int(truth.sum()))
