"""Answers: scores of a head -> `Prediction`, `Tags` or `Value`. The server builds them, the client parses them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import nlargest
from typing import Any, Self

import numpy as np

from graft.bundle.manifest import UNKNOWN_LABEL, Manifest
from graft.types import Float32Array


@dataclass(frozen=True, slots=True)
class Candidate:
    """A label and its probability, 0 to 1."""

    label: str
    probability: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """Answer of a classifier to one sample: the most probable label, and the top-k candidates, best first.

    A model with a threshold for "unknown" (out-of-distribution samples) also gives `novelty` and the `threshold` above
    which `label` is "unknown"; `probability` and `top` are of its classes all the same. Other models leave both None.
    """

    label: str
    probability: float  # of the most probable class
    top: tuple[Candidate, ...]
    novelty: float | None = None  # distance of the sample from the training data
    threshold: float | None = None

    @classmethod
    def from_scores(
        cls, scores: Sequence[float], labels: Sequence[str], top: int, threshold: float | None = None
    ) -> Self:
        """Read the probabilities of k classes; with a `threshold`, the novelty comes after them.

        >>> Prediction.from_scores([0.1, 0.9], ["cat", "dog"], top=1)
        Prediction(label='dog', probability=0.9, top=(Candidate(label='dog', probability=0.9),), novelty=None, \
threshold=None)
        >>> Prediction.from_scores([0.1, 0.9, 7.5], ["cat", "dog"], top=1, threshold=3.0).label
        'unknown'
        """
        probabilities = scores if threshold is None else scores[:-1]
        candidates = _candidates(probabilities, labels, _top_indices(probabilities, top))
        best = candidates[0]
        if threshold is None:
            return cls(best.label, best.probability, candidates)
        label = best.label if scores[-1] <= threshold else UNKNOWN_LABEL
        return cls(label, best.probability, candidates, scores[-1], float(threshold))


@dataclass(frozen=True, slots=True)
class Tags:
    """Answer of a tagging (multi-label) model to one sample: its labels, perhaps none, and the most probable ones."""

    tags: tuple[Candidate, ...]  # at or over their threshold, best first
    top: tuple[Candidate, ...]  # best first

    @classmethod
    def from_scores(cls, scores: Float32Array, labels: Sequence[str], top: int, thresholds: Float32Array) -> Self:
        """Read the probabilities of k labels, float32 [k]; `thresholds` is float32 [k]."""
        row = scores.tolist()
        order = _top_indices(row, len(row))
        ranked = _candidates(row, labels, order)
        is_tag = (scores >= thresholds).tolist()
        return cls(tuple(one for one, index in zip(ranked, order, strict=True) if is_tag[index]), ranked[:top])


@dataclass(frozen=True, slots=True)
class Value:
    """Answer of a regression model to one sample: a number in the unit of its target."""

    value: float


Answer = Prediction | Tags | Value


def build_answers(manifest: Manifest, scores: Float32Array, top: int) -> list[Answer]:
    """Build the answers to n samples by the model's task.

    `scores` are finite, float32 [n,k], or [n,k+1] with the novelty in the last column; `top` is how many of the most
    probable labels an answer lists.
    """
    labels = manifest.labels
    if manifest.task == "regress":
        return [Value(value) for value in scores[:, 0].tolist()]
    if manifest.task == "tag":
        thresholds = np.array(manifest.head["thresholds"], np.float32)
        return [Tags.from_scores(row, labels, top, thresholds) for row in scores]
    novelty = manifest.head.get("novelty")
    threshold = novelty["threshold"] if novelty else None
    return [Prediction.from_scores(row, labels, top, threshold) for row in scores.tolist()]


def answer_fields(answer: Answer) -> dict[str, Any]:
    """Return the fields of an answer as the wire has them: without novelty and threshold if the model has none."""
    return {name: value for name in answer.__slots__ if (value := getattr(answer, name)) is not None}


def _top_indices(scores: Sequence[float], top: int) -> list[int]:
    """Return the indices of the `top` best scores, best first; of equal ones the first."""
    return nlargest(top, range(len(scores)), scores.__getitem__)


def _candidates(scores: Sequence[float], labels: Sequence[str], indices: Sequence[int]) -> tuple[Candidate, ...]:
    # A softmax in float32 may end a hair above 1.
    return tuple(Candidate(labels[index], min(scores[index], 1.0)) for index in indices)
