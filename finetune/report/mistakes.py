"""The worst mistakes of each task, and how a sample is shown beside one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from finetune.dataset import Sample
from finetune.report.pictures import thumbnail
from finetune.tasks import Task
from zoo.errors import InputError
from zoo.manifest import Manifest
from zoo.utf8 import texts_of

WORST: Final = 24  # mistakes that are shown
EXCERPT: Final = 320  # characters of a text that are shown
NAMED: Final = 6  # tags


@dataclass(frozen=True, slots=True)
class Outcome:
    """The m test samples, their truth [m] or [m,k], what the head says of them, float32 [m,k], and how new they are."""

    samples: Sequence[Sample]
    truth: NDArray[Any]
    scores: NDArray[np.float32]
    novelty: NDArray[np.float32] | None = None  # [m], where the head tells it


@dataclass(frozen=True, slots=True)
class Mistake:
    """A test sample that got a wrong answer."""

    sample: Sample
    said: str
    truth: str
    weight: float  # how bad it is: a probability, or in the target's unit


def worst(manifest: Manifest, outcome: Outcome) -> tuple[Mistake, ...]:
    """Return the worst mistakes, the worst first.

    That is: the class that was said with the most certainty; the tags that were the furthest from their
    thresholds; the number that was furthest off.
    """
    of = {Task.CLASSIFY: _classes, Task.TAG: _tags, Task.REGRESS: _numbers}
    return tuple(of[Task(manifest.task)](manifest, outcome)) if manifest.task in of else ()


def _classes(manifest: Manifest, outcome: Outcome) -> list[Mistake]:
    scores, y, labels = outcome.scores, outcome.truth, manifest.labels
    answers, sure = scores.argmax(1), scores.max(1)
    rows = sorted(np.flatnonzero(answers != y).tolist(), key=lambda row: -sure[row])[:WORST]
    return [
        Mistake(
            outcome.samples[row],
            f"{labels[answers[row]]} ({sure[row]:.0%})",
            f"{labels[y[row]]} ({scores[row, y[row]]:.0%})",
            float(sure[row]),
        )
        for row in rows
    ]


def _tags(manifest: Manifest, outcome: Outcome) -> list[Mistake]:
    limits = np.asarray(manifest.head["thresholds"], np.float32)
    given = outcome.scores >= limits
    off = np.where(given != outcome.truth, np.abs(outcome.scores - limits), 0).max(1, initial=0)
    rows = sorted(np.flatnonzero(off).tolist(), key=lambda row: -off[row])[:WORST]

    def written(row: int, tags: NDArray[np.bool_]) -> str:
        these = np.flatnonzero(tags).tolist()
        named = [f"{manifest.labels[tag]} ({outcome.scores[row, tag]:.0%})" for tag in these[:NAMED]]
        return (", ".join(named) + (", …" if len(these) > NAMED else "")) or "nothing"

    return [
        Mistake(outcome.samples[row], written(row, given[row]), written(row, outcome.truth[row]), float(off[row]))
        for row in rows
    ]


def _numbers(_: Manifest, outcome: Outcome) -> list[Mistake]:
    said, truth = outcome.scores[:, 0], outcome.truth
    off = np.abs(said - truth)
    return [
        Mistake(outcome.samples[row], f"{said[row]:.4g}", f"{truth[row]:.4g}", float(off[row]))
        for row in np.argsort(-off, kind="stable")[:WORST].tolist()
    ]


def shown(sample: Sample, *, texts: int | None) -> str | None:
    """Return the HTML of a sample: `texts` 1 or 2 of them, or None for a picture. None where it cannot be read."""
    if texts is None:
        if (picture := thumbnail(sample)) is None:
            return None
        return f"<img{' class=small' if picture.small else ''} src='{picture.address}' alt=''>"
    try:
        parts = texts_of(sample.read(), 2 if texts == 2 else 1)
    except (OSError, InputError):
        return None
    return "".join(f"<blockquote>{escape(excerpt(part))}</blockquote>" for part in parts)


def excerpt(text: str) -> str:
    """Return the beginning of `text` on one line, cut between words."""
    flat = " ".join(text[: 8 * EXCERPT].split())
    if len(flat) <= EXCERPT:
        return flat
    cut = flat[:EXCERPT]
    return (cut.rsplit(" ", 1)[0] if " " in cut[EXCERPT // 2 :] else cut) + " …"
