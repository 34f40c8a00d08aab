"""A search for a better recipe, by Optuna's tree-structured Parzen estimator (Bergstra et al. 2011): seeded, in memory.

What is searched is a `Space`; that of the head, on cached features, is in `finetune.heads.space`. Nothing is stored,
and nothing leaves the machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from zoo.errors import MissingExtra
from zoo.progress import Progress

Made = TypeVar("Made")
Made_co = TypeVar("Made_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Axis:
    """A number that is searched."""

    name: str
    low: float
    high: float
    log: bool = False  # its logarithm is what counts


class Space(Protocol[Made_co]):
    """What is searched, and how well a place in it does."""

    @property
    def what(self) -> str:
        """What is tuned, as the user is told."""

    @property
    def axes(self) -> Sequence[Axis]:
        """The numbers that are searched."""

    def attempt(self, at: Mapping[str, float]) -> tuple[float, Made_co]:
        """Return how good that place is, less being better, and what was made there."""


@dataclass(frozen=True, slots=True)
class Found(Generic[Made]):
    """The best place."""

    value: float
    at: Mapping[str, float]
    made: Made


def search(space: Space[Made], trials: int, seed: int, progress: Progress) -> Found[Made]:
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
    said = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # it would write a line for each trial
    try:
        study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
        found: list[Found[Made]] = []
        with progress.bar(f"tuning {space.what}", trials) as bar:
            for _ in range(trials):
                trial = study.ask()
                at = {one.name: trial.suggest_float(one.name, one.low, one.high, log=one.log) for one in space.axes}
                value, made = space.attempt(at)
                study.tell(trial, value)
                found.append(Found(value, at, made))
                bar.advance()
    finally:
        optuna.logging.set_verbosity(said)
    return min(found, key=lambda one: one.value)
