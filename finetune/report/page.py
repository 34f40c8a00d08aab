"""The page as a whole: what it tells of each task, in which order."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape

import numpy as np

from finetune.data.dataset import SkippedSample
from finetune.data.task import Task
from finetune.report.charts import draw_reliability, draw_residuals
from finetune.report.confidence import render_risk_coverage, render_unknown
from finetune.report.confusion_matrix import render_confusion_matrix
from finetune.report.sections import (
    render_class_table,
    render_metric_card,
    render_mistakes,
    render_model_facts,
    render_no_mistakes,
    render_tag_table,
)
from finetune.report.style import CSS
from finetune.report.training_curves import render_training
from finetune.report.worst_samples import ReportSamples, worst_mistakes
from graft.bundle.manifest import Manifest


@dataclass(frozen=True, slots=True)
class ReportContent:
    """What the report tells."""

    manifest: Manifest
    test_samples: ReportSamples
    skipped_samples: tuple[SkippedSample, ...]
    findings_html: str = ""  # HTML: what was found in the data
    added_html: str = ""  # HTML: what it did to teach the model more


def render_report(content: ReportContent) -> bytes:
    """Return the bytes of report.html."""
    manifest = content.manifest
    own = manifest.samples == "user"
    task = Task(manifest.task)
    renderers = {Task.CLASSIFY: _render_classification, Task.TAG: _render_tagging, Task.REGRESS: _render_regression}
    metrics_html = renderers[task](content) if task in renderers else ""
    mistakes_html = (
        ""
        if task is Task.EMBED
        else render_mistakes(manifest, worst_mistakes(manifest, content.test_samples), _count_wrong(content))
    )
    many = f", {len(manifest.labels)} {'tags' if task is Task.TAG else 'classes'}" if len(manifest.labels) > 1 else ""
    measured_on = (
        f"Measured on {manifest.metrics['samples']:,} test samples that nothing was trained on or chosen by."
        if manifest.metrics
        else "It answers with features; nothing was trained, so nothing is measured."
    )
    body = f"""
<h1>{escape(manifest.name)}</h1>
<p class=soft>{escape(manifest.backbone["name"])}, {escape(manifest.precision)} trunk, task {task}{many}.
{measured_on}</p>
{metrics_html}
{content.added_html}
{render_training(manifest.depth, manifest.training)}
{mistakes_html if own else render_no_mistakes()}
{content.findings_html}
{render_model_facts(manifest, content.skipped_samples if own else ())}"""
    return html_document(f"{manifest.name}: report", body)


def html_document(title: str, body: str) -> bytes:
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


def _render_metric_cards(*figures: str) -> str:
    return f"<div class=figures>{''.join(figures)}</div>"


def _render_classification(content: ReportContent) -> str:
    metrics, labels = content.manifest.metrics, content.manifest.labels
    low, high = wilson(metrics["accuracy"], metrics["samples"])
    figures = _render_metric_cards(
        render_metric_card("Accuracy", f"{metrics['accuracy']:.1%}", f"95 % interval {low:.1%} to {high:.1%}"),
        render_metric_card("Balanced accuracy", f"{metrics['balanced_accuracy']:.1%}", "mean recall of the classes"),
        render_metric_card("Macro F1", f"{metrics['macro_f1']:.3f}", "every class counts alike"),
        render_metric_card("Calibration error", f"{metrics['ece']:.1%}", "15 bins, after temperature"),
        render_metric_card("Log loss", f"{metrics['log_loss']:.3f}", "nats for each sample"),
    )
    return f"""{figures}
<div class=pair>{render_confusion_matrix(metrics["confusion"], labels)}{draw_reliability(metrics["reliability"])}</div>
<div class=pair>{render_class_table(metrics["per_class"])}{render_risk_coverage(metrics["risk_coverage"])}</div>
{_render_unknown(content)}"""


def _render_unknown(content: ReportContent) -> str:
    outcome, head = content.test_samples, content.manifest.head
    if outcome.novelty is None:
        return ""
    right = outcome.scores.argmax(1) == outcome.truth
    return render_unknown(head["novelty"], content.manifest.metrics["unknown"], outcome.novelty, right)


def _render_tagging(content: ReportContent) -> str:
    metrics = content.manifest.metrics
    ap = metrics["mean_average_precision"]
    figures = _render_metric_cards(
        render_metric_card("Micro F1", f"{metrics['micro_f1']:.3f}", "every tag given or missed counts alike"),
        render_metric_card("Macro F1", f"{metrics['macro_f1']:.3f}", "every tag of the list counts alike"),
        render_metric_card("Subset accuracy", f"{metrics['subset_accuracy']:.1%}", "all tags of a sample right"),
        render_metric_card("Mean average precision", "–" if ap is None else f"{ap:.3f}", "whatever the thresholds"),
    )
    return figures + render_tag_table(metrics["per_class"])


def _render_regression(content: ReportContent) -> str:
    metrics, target = content.manifest.metrics, content.manifest.labels[0]
    r2 = metrics["r2"]
    figures = _render_metric_cards(
        render_metric_card("R²", "–" if r2 is None else f"{r2:.3f}", "share of the spread that is explained"),
        render_metric_card("Mean absolute error", f"{metrics['mae']:.4g}", f"of {escape(target)}"),
        render_metric_card("Root mean squared error", f"{metrics['rmse']:.4g}", "large errors count more"),
        render_metric_card("Mean error", f"{metrics['bias']:+.3g}", "said minus true"),
    )
    return figures + draw_residuals(
        content.test_samples.truth, content.test_samples.scores[:, 0].astype(np.float64), target
    )


def _count_wrong(content: ReportContent) -> int:
    """Return how many test samples got a wrong answer; of numbers, all."""
    manifest, n = content.manifest, int(content.manifest.metrics["samples"])
    share = {Task.CLASSIFY: "accuracy", Task.TAG: "subset_accuracy"}.get(Task(manifest.task))
    return round(n * (1 - manifest.metrics[share])) if share else n


def wilson(share: float, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a share that was counted on `n` samples (Wilson 1927)."""
    z = 1.96
    middle = share + z * z / (2 * n)
    spread = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, (middle - spread) / (1 + z * z / n)), min(1.0, (middle + spread) / (1 + z * z / n))
