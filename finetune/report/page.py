"""The page as a whole: what it tells, in which order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

import numpy as np
from numpy.typing import NDArray

from finetune.dataset import Sample
from finetune.features import Bad
from finetune.report.pictures import Mistake
from finetune.report.sections import confusion, facts, figure, mistakes, no_mistakes, per_class, reliability
from finetune.report.style import CSS
from zoo.manifest import Manifest

Floats = NDArray[np.float32]
Labels = NDArray[np.intp]

WORST: Final = 24  # mistakes that are shown


@dataclass(frozen=True, slots=True)
class Story:
    """What the report tells."""

    manifest: Manifest
    mistakes: tuple[Mistake, ...]  # the worst first
    bad: tuple[Bad, ...]


def worst(samples: Sequence[Sample], y: Labels, scores: Floats, labels: Sequence[str]) -> tuple[Mistake, ...]:
    """Return the mistakes that the head was surest of.

    `samples` are n test samples, `y` int [n] their classes, `scores` float32 [n,k].
    """
    answers, sure = scores.argmax(1), scores.max(1)
    rows: list[int] = sorted(np.flatnonzero(answers != y).tolist(), key=lambda row: -sure[row])[:WORST]
    return tuple(
        Mistake(samples[row], labels[answers[row]], float(sure[row]), float(scores[row, y[row]])) for row in rows
    )


def render(story: Story) -> bytes:
    """Return the bytes of report.html."""
    manifest, metrics = story.manifest, story.manifest.metrics
    own = manifest.samples == "user"
    n = metrics["samples"]
    low, high = wilson(metrics["accuracy"], n)
    figures = (
        figure("Accuracy", f"{metrics['accuracy']:.1%}", f"95 % interval {low:.1%} to {high:.1%}"),
        figure("Balanced accuracy", f"{metrics['balanced_accuracy']:.1%}", "mean recall of the classes"),
        figure("Macro F1", f"{metrics['macro_f1']:.3f}", "every class counts alike"),
        figure("Calibration error", f"{metrics['ece']:.1%}", "15 bins, after temperature"),
        figure("Log loss", f"{metrics['log_loss']:.3f}", "nats for each sample"),
    )
    wrong = round(n * (1 - metrics["accuracy"]))
    body = f"""
<h1>{escape(manifest.name)}</h1>
<p class=soft>{escape(manifest.backbone["name"])}, {escape(manifest.precision)} trunk, {len(manifest.labels)} classes.
Measured on {n:,} test samples that nothing was trained on or chosen by.</p>
<div class=figures>{"".join(figures)}</div>
<div class=pair>{confusion(metrics["confusion"], manifest.labels)}{reliability(metrics["reliability"])}</div>
{per_class(metrics["per_class"])}
{mistakes(story.mistakes, wrong) if own else no_mistakes()}
{facts(manifest, story.bad if own else ())}"""
    return f"""<!doctype html>
<html lang=en>
<meta charset=utf-8>
<meta name=viewport content="width=device-width, initial-scale=1">
<meta http-equiv=Content-Security-Policy content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>{escape(manifest.name)}: report</title>
<style>{CSS}</style>
<main>{body}</main>
</html>
""".encode()


def wilson(share: float, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a share that was counted on `n` samples (Wilson 1927)."""
    z = 1.96
    middle = share + z * z / (2 * n)
    spread = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, (middle - spread) / (1 + z * z / n)), min(1.0, (middle + spread) / (1 + z * z / n))
