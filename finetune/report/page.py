"""The page as a whole: what it tells of each task, in which order."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape

import numpy as np

from finetune.dataset import Bad
from finetune.report.confidence import selective, unknown
from finetune.report.curves import training
from finetune.report.drawings import reliability, residuals
from finetune.report.mistakes import Outcome, worst
from finetune.report.sections import confusion, facts, figure, mistakes, no_mistakes, per_class, per_tag
from finetune.report.style import CSS
from finetune.tasks import Task
from zoo.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Story:
    """What the report tells."""

    manifest: Manifest
    outcome: Outcome
    bad: tuple[Bad, ...]
    doctor: str = ""  # HTML: what was found in the data
    added: str = ""  # HTML: what it did to teach the model more


def render(story: Story) -> bytes:
    """Return the bytes of report.html."""
    manifest = story.manifest
    own = manifest.samples == "user"
    task = Task(manifest.task)
    measured = {Task.CLASSIFY: _classify, Task.TAG: _tag, Task.REGRESS: _regress}
    told = measured[task](story) if task in measured else ""
    wrong = "" if task is Task.EMBED else mistakes(manifest, worst(manifest, story.outcome), _wrong(story))
    many = f", {len(manifest.labels)} {'tags' if task is Task.TAG else 'classes'}" if len(manifest.labels) > 1 else ""
    tested = (
        f"Measured on {manifest.metrics['samples']:,} test samples that nothing was trained on or chosen by."
        if manifest.metrics
        else "It answers with features; nothing was trained, so nothing is measured."
    )
    body = f"""
<h1>{escape(manifest.name)}</h1>
<p class=soft>{escape(manifest.backbone["name"])}, {escape(manifest.precision)} trunk, task {task}{many}.
{tested}</p>
{told}
{story.added}
{training(manifest.depth, manifest.training)}
{wrong if own else no_mistakes()}
{story.doctor}
{facts(manifest, story.bad if own else ())}"""
    return document(f"{manifest.name}: report", body)


def document(title: str, body: str) -> bytes:
    """Return the bytes of a page that opens without a network; `body` is HTML, `title` is not."""
    return f"""<!doctype html>
<html lang=en>
<meta charset=utf-8>
<meta name=viewport content="width=device-width, initial-scale=1">
<meta http-equiv=Content-Security-Policy content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>{escape(title)}</title>
<style>{CSS}</style>
<main>{body}</main>
</html>
""".encode()


def _figures(*figures: str) -> str:
    return f"<div class=figures>{''.join(figures)}</div>"


def _classify(story: Story) -> str:
    metrics, labels = story.manifest.metrics, story.manifest.labels
    low, high = wilson(metrics["accuracy"], metrics["samples"])
    figures = _figures(
        figure("Accuracy", f"{metrics['accuracy']:.1%}", f"95 % interval {low:.1%} to {high:.1%}"),
        figure("Balanced accuracy", f"{metrics['balanced_accuracy']:.1%}", "mean recall of the classes"),
        figure("Macro F1", f"{metrics['macro_f1']:.3f}", "every class counts alike"),
        figure("Calibration error", f"{metrics['ece']:.1%}", "15 bins, after temperature"),
        figure("Log loss", f"{metrics['log_loss']:.3f}", "nats for each sample"),
    )
    return f"""{figures}
<div class=pair>{confusion(metrics["confusion"], labels)}{reliability(metrics["reliability"])}</div>
<div class=pair>{per_class(metrics["per_class"])}{selective(metrics["risk_coverage"])}</div>
{_unknown(story)}"""


def _unknown(story: Story) -> str:
    outcome, head = story.outcome, story.manifest.head
    if outcome.novelty is None:
        return ""
    right = outcome.scores.argmax(1) == outcome.truth
    return unknown(head["novelty"], story.manifest.metrics["unknown"], outcome.novelty, right)


def _tag(story: Story) -> str:
    metrics = story.manifest.metrics
    ap = metrics["mean_average_precision"]
    figures = _figures(
        figure("Micro F1", f"{metrics['micro_f1']:.3f}", "every tag given or missed counts alike"),
        figure("Macro F1", f"{metrics['macro_f1']:.3f}", "every tag of the list counts alike"),
        figure("Subset accuracy", f"{metrics['subset_accuracy']:.1%}", "all tags of a sample right"),
        figure("Mean average precision", "–" if ap is None else f"{ap:.3f}", "whatever the thresholds"),
    )
    return figures + per_tag(metrics["per_class"])


def _regress(story: Story) -> str:
    metrics, target = story.manifest.metrics, story.manifest.labels[0]
    r2 = metrics["r2"]
    figures = _figures(
        figure("R²", "–" if r2 is None else f"{r2:.3f}", "share of the spread that is explained"),
        figure("Mean absolute error", f"{metrics['mae']:.4g}", f"of {escape(target)}"),
        figure("Root mean squared error", f"{metrics['rmse']:.4g}", "large errors count more"),
        figure("Mean error", f"{metrics['bias']:+.3g}", "said minus true"),
    )
    return figures + residuals(story.outcome.truth, story.outcome.scores[:, 0].astype(np.float64), target)


def _wrong(story: Story) -> int:
    """Return how many test samples got a wrong answer; of numbers, all."""
    manifest, n = story.manifest, int(story.manifest.metrics["samples"])
    share = {Task.CLASSIFY: "accuracy", Task.TAG: "subset_accuracy"}.get(Task(manifest.task))
    return round(n * (1 - manifest.metrics[share])) if share else n


def wilson(share: float, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a share that was counted on `n` samples (Wilson 1927)."""
    z = 1.96
    middle = share + z * z / (2 * n)
    spread = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, (middle - spread) / (1 + z * z / n)), min(1.0, (middle + spread) / (1 + z * z / n))
