"""Early stopping: patience, the planned number of epochs, and the deadline."""

from __future__ import annotations

import time
from pathlib import Path

from finetune.deep.training.early_stopping import epochs_since_best, stop_reason
from finetune.deep.training.trainer import train_network
from graft.progress import SilentProgress
from tests.support.finetune.tiny_training_job import TinyBatchSource, tiny_job


def test_early_stopping_counts_epochs_since_the_lowest_loss() -> None:
    assert epochs_since_best([]) == 0
    assert epochs_since_best([3.0]) == 0
    assert epochs_since_best([3.0, 1.0, 2.0, 2.0]) == 2
    assert epochs_since_best([3.0, 1.0, 1.0]) == 1  # an equal loss is no improvement


def test_early_stopping_reason_is_epochs_patience_or_deadline() -> None:
    losses, over, ahead = [3.0, 1.0, 2.0, 2.0], time.monotonic() - 1, time.monotonic() + 1000
    assert stop_reason(losses, epochs=4, patience=9) == "all epochs"
    assert stop_reason([], epochs=0, patience=9) == "deadline"
    assert stop_reason(losses, epochs=5, patience=2) == "patience"
    assert stop_reason(losses, epochs=5, patience=3) == ""
    assert stop_reason(losses, epochs=5, patience=3, deadline=ahead) == ""
    assert stop_reason(losses, epochs=5, patience=3, deadline=over) == "deadline"
    assert stop_reason(losses, epochs=5, patience=3, deadline=over, mid_epoch=True) == ""


def test_early_stopping_ends_after_patience_epochs(tmp_path: Path) -> None:
    job = tiny_job(tmp_path / "run", training={"rate": 0.3, "epochs": 60, "patience": 2})
    _, history, facts = train_network(TinyBatchSource, job, SilentProgress())
    assert facts["stopped_by"] == "patience"
    losses = [epoch.val_loss for epoch in history]
    assert len(losses) == losses.index(min(losses)) + 3 < 60
