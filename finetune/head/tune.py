"""Hyper-parameter tuning (`--tune`) by Optuna's tree-structured Parzen estimator (Bergstra et al. 2011).

Seeded, in memory: nothing is stored, and nothing leaves the machine. `find_best_trial` searches any `SearchSpace`;
`HeadSearchSpace` is that of a head on cached features: standardisation, strength of the penalty, class weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from finetune.data.task import Task
from finetune.head import FitData, Grid, Head, HeadFitter
from finetune.head.class_weights import class_weights
from graft.errors import MissingExtra
from graft.progress import Progress
from graft.types import Float32Array

STRENGTH_MARGIN: Final = 10.0  # factor by which strengths are searched beyond both ends of the default grid
MAX_MACRO_F1_LOSS: Final = 0.005  # macro F1 that a trial may lose against the default choice for free
MACRO_F1_PENALTY: Final = 10.0  # price of each further point of macro F1, in units of the loss

OutcomeT = TypeVar("OutcomeT")
OutcomeT_co = TypeVar("OutcomeT_co", covariant=True)


@dataclass(frozen=True, slots=True)
class SearchParameter:
    """A number to tune, with its range."""

    name: str
    low: float
    high: float
    log: bool = False  # sample its logarithm uniformly


class SearchSpace(Protocol[OutcomeT_co]):
    """Parameters with an objective."""

    @property
    def subject(self) -> str:
        """What is tuned, for the progress bar."""

    @property
    def parameters(self) -> Sequence[SearchParameter]:
        """The numbers to tune."""

    def evaluate(self, point: Mapping[str, float]) -> tuple[float, OutcomeT_co]:
        """Return the objective at `point`, smaller is better, and whatever was fitted there."""


@dataclass(frozen=True, slots=True)
class SearchTrial(Generic[OutcomeT]):
    """One trial: a point, its objective and its outcome."""

    value: float
    point: Mapping[str, float]
    outcome: OutcomeT


def find_best_trial(space: SearchSpace[OutcomeT], trials: int, seed: int, progress: Progress) -> SearchTrial[OutcomeT]:
    """Return the best of `trials` trials; the same arguments find the same.

    Raises:
        MissingExtra: Optuna is not installed.
    """
    try:
        import optuna  # slow to import, and only --tune needs it
    except ModuleNotFoundError:
        raise MissingExtra(
            "--tune needs the package optuna: install Graft with the extra `train`, pip install 'keras-graft[train]'."
        ) from None
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # it would log a line for each trial
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


@dataclass(frozen=True, slots=True)
class HeadSearchSpace:
    """Hyper-parameters of a task's head, evaluated on the validation part.

    The objective is the log loss after temperature scaling, or the root of the mean squared error. The log loss alone
    would always prefer no class weights; so a trial that loses macro F1 pays a penalty.
    """

    task: Task
    fitter: HeadFitter[Any]
    data: FitData
    default_head: Head[Any]  # chosen without tuning; no trial starts from it, for it has seen the validation part

    @property
    def subject(self) -> str:
        """What is tuned, for the progress bar."""
        return "the head"

    @property
    def parameters(self) -> tuple[SearchParameter, ...]:
        """The power of the standardisation, the strength and, of imbalanced classes, the power of the class weights."""
        strengths = self.fitter.grid.strengths
        parameters = (
            SearchParameter("power", 0.0, 1.0),
            SearchParameter("strength", min(strengths) / STRENGTH_MARGIN, max(strengths) * STRENGTH_MARGIN, log=True),
        )
        imbalanced = self.task is Task.CLASSIFY and len(set(np.bincount(self.data.y).tolist())) > 1
        return (*parameters, SearchParameter("weighting", 0.0, 1.0)) if imbalanced else parameters

    def evaluate(self, point: Mapping[str, float]) -> tuple[float, Any]:
        """Return the objective at `point`, and the choice there."""
        grid = Grid((point["power"],), (point["strength"],))
        choice = self.fitter.choose(self._weigh_data(point), grid)
        return self.objective(choice), choice

    def objective(self, choice: Any) -> float:  # noqa: ANN401  # each task has its own
        """Return the loss of a choice, with the penalty for lost macro F1; smaller is better."""
        loss = float(choice.val_loss)
        if self.task is not Task.CLASSIFY:
            return loss
        excess = self.default_head.choice.val_macro_f1 - choice.val_macro_f1 - MAX_MACRO_F1_LOSS
        return loss + MACRO_F1_PENALTY * max(0.0, float(excess))

    def fit_choice(self, choice: Any, point: Mapping[str, float]) -> Head[Any]:  # noqa: ANN401
        """Return the head of the choice at `point`, fitted to both parts."""
        return self.fitter.refit(choice, self._weigh_data(point), self.default_head)

    def sample_weights(self, point: Mapping[str, float], y: NDArray[Any]) -> Float32Array:
        """Return how much samples with the targets `y` [n] or [n,k] count at `point`, float32 [n]."""
        weights = self._class_weights(point)
        return np.ones(len(y), np.float32) if weights is None else weights[y]

    def _weigh_data(self, point: Mapping[str, float]) -> FitData:
        weights = self._class_weights(point)
        return self.data if weights is None else replace(self.data, sample_weights=weights[self.data.y])

    def _class_weights(self, point: Mapping[str, float]) -> Float32Array | None:
        return class_weights(np.bincount(self.data.y), point["weighting"]) if "weighting" in point else None
