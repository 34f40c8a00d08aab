"""How far a run is: all that changes beside its arrays, ready for the checkpoint's JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from finetune.deep.training.schedule import EpochSchedule
from finetune.deep.training_job import EpochStats


@dataclass(slots=True)
class TrainingState:
    """The epochs that are done, and where in the next one the run is."""

    schedule: EpochSchedule
    start_loss: float  # of the validation part, before the first step
    start_score: float
    best: int = 0  # number of the best epoch; 0 is the start
    step: int = 0  # batches done of the epoch under way
    loss: float = 0.0  # sums over them
    weight: float = 0.0
    seconds: float = 0.0
    history: list[EpochStats] = field(default_factory=list)

    @classmethod
    def from_json(cls, facts: dict[str, Any]) -> TrainingState:
        """Return the one of which `dataclasses.asdict` made `facts`."""
        history = [EpochStats(**epoch) for epoch in facts["history"]]
        return cls(**facts | {"schedule": EpochSchedule(**facts["schedule"]), "history": history})

    @property
    def epoch_number(self) -> int:
        """Return the number of the epoch under way, from 1."""
        return len(self.history) + 1

    @property
    def global_step(self) -> int:
        """Return the batches done in all epochs."""
        return len(self.history) * self.schedule.steps + self.step

    @property
    def best_loss(self) -> float:
        """Return the validation loss of the best epoch, or of the start."""
        return self.history[self.best - 1].val_loss if self.best else self.start_loss

    def epochs_since_best(self) -> int:
        """Return how many epochs have gone by since the one with the least validation loss.

        The start does not count: on the way to something better a run may be worse for a while.
        """
        losses = [epoch.val_loss for epoch in self.history]
        return len(losses) - 1 - losses.index(min(losses)) if losses else 0

    def finish_epoch(self, epoch: EpochStats) -> bool:
        """Add a finished epoch; return whether it is the best."""
        better = epoch.val_loss < self.best_loss
        self.history.append(epoch)
        self.best = epoch.number if better else self.best
        self.step, self.loss, self.weight, self.seconds = 0, 0.0, 0.0, 0.0
        return better
