"""Recipes of a head, to be searched: how far features are standardised, the strength of the penalty, class weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from finetune.heads import FAMILIES, Grid, Head, Rows
from finetune.tasks import Task
from finetune.tune import Axis

Floats = NDArray[np.float32]

BEYOND: Final = 10.0  # how much further than the usual grid strengths are searched
SLACK: Final = 0.005  # of macro F1, that weights may lose against the usual choice
DEAR: Final = 10.0  # what more than that costs, in units of the loss


@dataclass(frozen=True, slots=True)
class HeadSpace:
    """The recipes of a task's head, judged on the validation part.

    That is by the log loss after temperature, or by the root of the squared error. The log loss alone would always
    take weights off rare classes; so a recipe that loses macro F1 by it pays for that.
    """

    task: Task
    rows: Rows
    usual: Head[Any]  # as chosen without a search; no attempt may start from it, for it has seen the validation part

    @property
    def what(self) -> str:
        """What is tuned, as the user is told."""
        return "the head"

    @property
    def axes(self) -> tuple[Axis, ...]:
        """How far features are standardised, the strength and, of uneven classes, how much rare ones count."""
        strengths = FAMILIES[self.task].grid.strengths
        axes = (Axis("power", 0.0, 1.0), Axis("strength", min(strengths) / BEYOND, max(strengths) * BEYOND, log=True))
        uneven = self.task is Task.CLASSIFY and len(set(np.bincount(self.rows.y).tolist())) > 1
        return (*axes, Axis("weighting", 0.0, 1.0)) if uneven else axes

    def attempt(self, at: Mapping[str, float]) -> tuple[float, Any]:
        """Return how good a recipe is, and its choice."""
        grid = Grid((at["power"],), (at["strength"],))
        choice = FAMILIES[self.task].choose(self._weighed(at), grid)
        return self.value(choice), choice

    def value(self, choice: Any) -> float:  # noqa: ANN401
        """Return how good a choice is; less is better."""
        loss = float(choice.val_loss)
        if self.task is not Task.CLASSIFY:
            return loss
        lost = self.usual.choice.val_macro_f1 - choice.val_macro_f1 - SLACK
        return loss + DEAR * max(0.0, float(lost))

    def head(self, choice: Any, at: Mapping[str, float]) -> Head[Any]:  # noqa: ANN401
        """Return the head of a choice, fitted to both parts."""
        return FAMILIES[self.task].refit(choice, self._weighed(at), self.usual)

    def weights(self, at: Mapping[str, float], y: NDArray[Any]) -> Floats:
        """Return how much samples with the targets `y` [n] count there, float32 [n]."""
        each = self._of_classes(at)
        return np.ones(len(y), np.float32) if each is None else each[y]

    def _weighed(self, at: Mapping[str, float]) -> Rows:
        each = self._of_classes(at)
        return self.rows if each is None else replace(self.rows, weights=each[self.rows.y])

    def _of_classes(self, at: Mapping[str, float]) -> Floats | None:
        if "weighting" not in at:
            return None
        counts = np.bincount(self.rows.y)
        weights = counts.astype(np.float64) ** -at["weighting"]
        return np.asarray(weights * counts.sum() / (weights * counts).sum(), np.float32)
