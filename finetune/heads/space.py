"""Recipes of a head, to be searched: how far features are standardised, the strength of the penalty, class weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from finetune.heads import HEAD_FAMILIES, FitData, Grid, Head
from finetune.tasks import Task
from finetune.tune import SearchParameter

Float32Array = NDArray[np.float32]

STRENGTH_MARGIN: Final = 10.0  # how much further than the usual grid strengths are searched
MAX_MACRO_F1_LOSS: Final = 0.005  # of macro F1, that weights may lose against the usual choice
MACRO_F1_PENALTY: Final = 10.0  # what more than that costs, in units of the loss


@dataclass(frozen=True, slots=True)
class HeadSearchSpace:
    """The recipes of a task's head, judged on the validation part.

    That is by the log loss after temperature, or by the root of the squared error. The log loss alone would always
    take weights off rare classes; so a recipe that loses macro F1 by it pays for that.
    """

    task: Task
    data: FitData
    default_head: Head[
        Any
    ]  # as chosen without a search; no attempt may start from it, for it has seen the validation part

    @property
    def subject(self) -> str:
        """What is tuned, as the user is told."""
        return "the head"

    @property
    def parameters(self) -> tuple[SearchParameter, ...]:
        """How far features are standardised, the strength and, of uneven classes, how much rare ones count."""
        strengths = HEAD_FAMILIES[self.task].grid.strengths
        axes = (
            SearchParameter("power", 0.0, 1.0),
            SearchParameter("strength", min(strengths) / STRENGTH_MARGIN, max(strengths) * STRENGTH_MARGIN, log=True),
        )
        uneven = self.task is Task.CLASSIFY and len(set(np.bincount(self.data.y).tolist())) > 1
        return (*axes, SearchParameter("weighting", 0.0, 1.0)) if uneven else axes

    def evaluate(self, point: Mapping[str, float]) -> tuple[float, Any]:
        """Return how good a recipe is, and its choice."""
        grid = Grid((point["power"],), (point["strength"],))
        choice = HEAD_FAMILIES[self.task].choose(self._weigh_data(point), grid)
        return self.objective(choice), choice

    def objective(self, choice: Any) -> float:  # noqa: ANN401
        """Return how good a choice is; less is better."""
        loss = float(choice.val_loss)
        if self.task is not Task.CLASSIFY:
            return loss
        lost = self.default_head.choice.val_macro_f1 - choice.val_macro_f1 - MAX_MACRO_F1_LOSS
        return loss + MACRO_F1_PENALTY * max(0.0, float(lost))

    def fit_choice(self, choice: Any, point: Mapping[str, float]) -> Head[Any]:  # noqa: ANN401
        """Return the head of a choice, fitted to both parts."""
        return HEAD_FAMILIES[self.task].refit(choice, self._weigh_data(point), self.default_head)

    def sample_weights(self, point: Mapping[str, float], y: NDArray[Any]) -> Float32Array:
        """Return how much samples with the targets `y` [n] count there, float32 [n]."""
        each = self._class_weights(point)
        return np.ones(len(y), np.float32) if each is None else each[y]

    def _weigh_data(self, point: Mapping[str, float]) -> FitData:
        each = self._class_weights(point)
        return self.data if each is None else replace(self.data, sample_weights=each[self.data.y])

    def _class_weights(self, point: Mapping[str, float]) -> Float32Array | None:
        if "weighting" not in point:
            return None
        counts = np.bincount(self.data.y)
        weights = counts.astype(np.float64) ** -point["weighting"]
        return np.asarray(weights * counts.sum() / (weights * counts).sum(), np.float32)
