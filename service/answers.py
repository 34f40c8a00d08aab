"""Scores -> answers, in the process that has the model: the server, or `predict` without one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import nlargest

import numpy as np
from numpy.typing import NDArray

from graft.bundle.manifest import UNKNOWN_LABEL, Manifest
from graft.types import Float32Array


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


def build_answers(manifest: Manifest, scores: Float32Array, top: int) -> list[Answer]:
    """Read what a head says, finite float32 [n,k] or with the novelty [n,k+1]: the `top` best labels, best first."""
    if manifest.task == "regress":
        return [Value(value) for value in scores[:, 0].tolist()]
    if manifest.task == "tag":
        thresholds = np.array(manifest.head["thresholds"], np.float32)
        return [_build_tags(manifest.labels, row, row >= thresholds, top) for row in scores]
    if novelty := manifest.head.get("novelty"):
        return [
            _build_prediction_with_novelty(manifest.labels, row.tolist(), novelty["threshold"], top) for row in scores
        ]
    return [_build_prediction(manifest.labels, row.tolist(), top) for row in scores]


def _build_prediction_with_novelty(labels: Sequence[str], row: list[float], threshold: float, top: int) -> Prediction:
    """Read scores with the novelty behind them."""
    prediction, novelty = _build_prediction(labels, row[:-1], top), row[-1]
    return Prediction(
        prediction.label if novelty <= threshold else UNKNOWN_LABEL,
        prediction.probability,
        prediction.top,
        novelty,
        float(threshold),
    )


def _build_prediction(labels: Sequence[str], row: list[float], top: int) -> Prediction:
    best = _build_candidates(labels, row, nlargest(top, range(len(row)), row.__getitem__))
    return Prediction(best[0].label, best[0].probability, best)


def _build_tags(labels: Sequence[str], row: Float32Array, has: NDArray[np.bool_], top: int) -> Tags:
    order = nlargest(len(row), range(len(row)), row.__getitem__)
    return Tags(
        _build_candidates(labels, row.tolist(), [at for at in order if has[at]]),
        _build_candidates(labels, row.tolist(), order[:top]),
    )


def _build_candidates(labels: Sequence[str], row: list[float], order: Sequence[int]) -> tuple[Candidate, ...]:
    # A softmax in float32 may end a hair above 1.
    return tuple(Candidate(labels[at], min(row[at], 1.0)) for at in order)
