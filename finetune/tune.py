"""A search for a better recipe, by Optuna's tree-structured Parzen estimator (Bergstra et al. 2011): seeded, in memory.

What is searched is a `SearchSpace`; that of the head, on cached features, is in `finetune.heads.space`. Nothing is stored,
and nothing leaves the machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from zoo.errors import MissingExtra
from zoo.progress import Progress

OutcomeT = TypeVar("OutcomeT")
OutcomeT_co = TypeVar("OutcomeT_co", covariant=True)


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
