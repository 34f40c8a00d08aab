"""Validation metrics of the training loop."""

from __future__ import annotations

import numpy as np
import pytest

from finetune.data.task import Task
from finetune.deep.training.train_step import validation_metrics


def test_validation_loss_is_measured_after_temperature() -> None:
    random = np.random.default_rng(0)
    y = np.eye(3)[random.integers(0, 3, 200)]
    logits = 2 * y + random.normal(size=y.shape)
    loss, score = validation_metrics(Task.CLASSIFY, logits, y)
    assert (loss, score) == pytest.approx(validation_metrics(Task.CLASSIFY, 7 * logits, y), rel=1e-4)
    assert score == (logits.argmax(1) == y.argmax(1)).mean()
    tags = (y > 0.5).astype(float)
    loss, _ = validation_metrics(Task.TAG, logits - 1, tags)
    assert loss == pytest.approx(validation_metrics(Task.TAG, 7 * (logits - 1), tags)[0], rel=1e-4)
    assert validation_metrics(Task.REGRESS, y[:, :1], y[:, :1]) == (0, 1)
    assert np.isnan(validation_metrics(Task.REGRESS, np.full((4, 1), np.inf), np.ones((4, 1)))[0])
