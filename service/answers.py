from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Candidate:
    """A label and how probable it is, 0 to 1."""

    label: str
    probability: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model that classifies says of one sample: its most probable label, and the next ones, best first.

    A model that was made to say "unknown" gives `novelty` with every answer, and the `threshold` above which `label`
    is "unknown"; `probability` and `top` are of its classes all the same. Other models leave both None.
    """

    label: str
    probability: float  # of the most probable class
    top: tuple[Candidate, ...]
    novelty: float | None = None  # how unlike everything that the model has learnt the sample is
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class Tags:
    """What a model that tags says of one sample: the labels it has, perhaps none, and the most probable ones."""

    tags: tuple[Candidate, ...]  # at or over their threshold, best first
    top: tuple[Candidate, ...]  # best first


@dataclass(frozen=True, slots=True)
class Value:
    """What a model that regresses says of one sample: a number in the unit of its target."""

    value: float


Answer = Prediction | Tags | Value
