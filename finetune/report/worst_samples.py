"""The worst mistakes of a model on its test samples, by task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from finetune.data.dataset import LabeledSample
from finetune.data.task import Task
from graft.bundle.manifest import Manifest

MAX_MISTAKES: Final = 24  # mistakes that are shown
MAX_NAMED_TAGS: Final = 6  # tags of a sample that are named


@dataclass(frozen=True, slots=True)
class ReportSamples:
    """The m test samples, their labels or targets, [m] or [m,k], and the head's scores, float32 [m,k]."""

    samples: Sequence[LabeledSample]
    truth: NDArray[Any]
    scores: NDArray[np.float32]
    novelty: NDArray[np.float32] | None = None  # [m], if the head can reject samples as unknown


@dataclass(frozen=True, slots=True)
class Mistake:
    """A test sample that was predicted wrongly."""

    sample: LabeledSample
    prediction: str
    truth: str
    severity: float  # how bad it is: a probability, or in the target's unit


def worst_mistakes(manifest: Manifest, test_samples: ReportSamples) -> tuple[Mistake, ...]:
    """Return the worst mistakes, the worst first.

    Worst are wrong classes with the highest probability, tags whose scores are farthest on the wrong side of their
    thresholds, numbers with the largest errors.
    """
    finders = {Task.CLASSIFY: _class_mistakes, Task.TAG: _tag_mistakes, Task.REGRESS: _number_mistakes}
    return tuple(finders[Task(manifest.task)](manifest, test_samples)) if manifest.task in finders else ()


def _class_mistakes(manifest: Manifest, test_samples: ReportSamples) -> list[Mistake]:
    scores, y, labels = test_samples.scores, test_samples.truth, manifest.labels
    answers, sure = scores.argmax(1), scores.max(1)
    rows = sorted(np.flatnonzero(answers != y).tolist(), key=lambda row: -sure[row])[:MAX_MISTAKES]
    return [
        Mistake(
            test_samples.samples[row],
            f"{labels[answers[row]]} ({sure[row]:.0%})",
            f"{labels[y[row]]} ({scores[row, y[row]]:.0%})",
            float(sure[row]),
        )
        for row in rows
    ]


def _tag_mistakes(manifest: Manifest, test_samples: ReportSamples) -> list[Mistake]:
    limits = np.asarray(manifest.head["thresholds"], np.float32)
    predicted = test_samples.scores >= limits
    off = np.where(predicted != test_samples.truth, np.abs(test_samples.scores - limits), 0).max(1, initial=0)
    rows = sorted(np.flatnonzero(off).tolist(), key=lambda row: -off[row])[:MAX_MISTAKES]

    def format_tags(row: int, tags: NDArray[np.bool_]) -> str:
        these = np.flatnonzero(tags).tolist()
        named = [f"{manifest.labels[tag]} ({test_samples.scores[row, tag]:.0%})" for tag in these[:MAX_NAMED_TAGS]]
        return (", ".join(named) + (", …" if len(these) > MAX_NAMED_TAGS else "")) or "nothing"

    return [
        Mistake(
            test_samples.samples[row],
            format_tags(row, predicted[row]),
            format_tags(row, test_samples.truth[row]),
            float(off[row]),
        )
        for row in rows
    ]


def _number_mistakes(_: Manifest, test_samples: ReportSamples) -> list[Mistake]:
    predictions, truth = test_samples.scores[:, 0], test_samples.truth
    errors = np.abs(predictions - truth)
    return [
        Mistake(test_samples.samples[row], f"{predictions[row]:.4g}", f"{truth[row]:.4g}", float(errors[row]))
        for row in np.argsort(-errors, kind="stable")[:MAX_MISTAKES].tolist()
    ]
