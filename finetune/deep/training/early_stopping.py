"""Early stopping: training ends once `patience` epochs in a row have not lowered the validation loss."""

from __future__ import annotations

import time
from collections.abc import Sequence


def epochs_since_best(val_losses: Sequence[float]) -> int:
    """Return how many epochs have passed since the one with the lowest validation loss; 0 before the first epoch.

    >>> epochs_since_best([0.9, 0.5, 0.7, 0.6])
    2
    """
    return len(val_losses) - 1 - val_losses.index(min(val_losses)) if val_losses else 0


def stop_reason(
    val_losses: Sequence[float], epochs: int, patience: int, *, deadline: float | None = None, mid_epoch: bool = False
) -> str:
    """Return why training stops now ("all epochs", "patience" or "deadline"), or "" if it goes on.

    Early stopping compares epochs with each other only. The validation loss before the first step does not count,
    because a run may get worse for a while on its way to something better.

    Args:
        val_losses: the validation loss of each finished epoch, the first one first.
        epochs: the number of planned epochs; 0 if the deadline left no time for any.
        patience: how many epochs may pass without a lower validation loss.
        deadline: the `time.monotonic()` at which to stop; None: never.
        mid_epoch: an epoch has started; it is finished even after the deadline.

    >>> stop_reason([0.9, 0.5, 0.7, 0.6], epochs=10, patience=2)
    'patience'
    >>> stop_reason([0.9, 0.5, 0.7, 0.6], epochs=10, patience=3)
    ''
    """
    if len(val_losses) >= epochs:
        return "all epochs" if val_losses else "deadline"
    if epochs_since_best(val_losses) >= patience:
        return "patience"
    return "deadline" if deadline is not None and time.monotonic() > deadline and not mid_epoch else ""
