"""Recipes of a head, to be searched: how far features are standardised, the strength of the penalty, class weights.

A search for a better recipe, by Optuna's tree-structured Parzen estimator (Bergstra et al. 2011): seeded, in memory.

What is searched is a `SearchSpace`; that of the head, on cached features, is in `finetune.head.tune`. Nothing is stored,
and nothing leaves the machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from finetune.data.task import Task
from finetune.head import HEAD_FAMILIES, FitData, Grid, Head
from graft.errors import MissingExtra
from graft.progress import Progress
from graft.types import Float32Array

STRENGTH_MARGIN: Final = 10.0  # how much further than the usual grid strengths are searched


MAX_MACRO_F1_LOSS: Final = 0.005  # of macro F1, that weights may lose against the usual choice


MACRO_F1_PENALTY: Final = 10.0  # what more than that costs, in units of the loss


OutcomeT = TypeVar("OutcomeT")


OutcomeT_co = TypeVar("OutcomeT_co", covariant=True)


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


@dataclass(frozen=True, slots=True)
class SearchParameter:
    """A number that is searched."""

    name: str
    low: float
    high: float
    log: bool = False  # its logarithm is what counts


class SearchSpace(Protocol[OutcomeT_co]):
    """What is searched, and how well a place in it does."""

    @property
    def subject(self) -> str:
        """What is tuned, as the user is told."""

    @property
    def parameters(self) -> Sequence[SearchParameter]:
        """The numbers that are searched."""

    def evaluate(self, point: Mapping[str, float]) -> tuple[float, OutcomeT_co]:
        """Return how good that place is, less being better, and what was made there."""


@dataclass(frozen=True, slots=True)
class SearchTrial(Generic[OutcomeT]):
    """The best place."""

    value: float
    point: Mapping[str, float]
    outcome: OutcomeT


def find_best_trial(space: SearchSpace[OutcomeT], trials: int, seed: int, progress: Progress) -> SearchTrial[OutcomeT]:
    """Return the best of `trials` places in `space`; the same arguments find the same.

    Raises:
        MissingExtra: Optuna is not installed.
    """
    try:
        import optuna
    except ModuleNotFoundError:
        raise MissingExtra(
            "--tune needs the package optuna: install Graft with the extra `train`, pip install 'keras-graft[train]'."
        ) from None
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # it would write a line for each trial
    try:
        study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
        results: list[SearchTrial[OutcomeT]] = []
        with progress.bar(f"tuning {space.subject}", trials) as bar:
            for _ in range(trials):
                trial = study.ask()
                point = {
                    one.name: trial.suggest_float(one.name, one.low, one.high, log=one.log) for one in space.parameters
                }
                value, outcome = space.evaluate(point)
                study.tell(trial, value)
                results.append(SearchTrial(value, point, outcome))
                bar.advance()
    finally:
        optuna.logging.set_verbosity(verbosity)
    return min(results, key=lambda one: one.value)
