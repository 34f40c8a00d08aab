"""What is told of a model that was taught more: one object for programs, a few lines for people."""

from __future__ import annotations

import shlex
from typing import Any, Final

from finetune.add.add_samples import AddResult
from finetune.cli.summary import run_summary as of_bundle
from finetune.report.added import METRIC_NAMES, MIN_MARKED_CHANGE

MAX_LABELS_SHOWN: Final = 20  # labels that are told one by one


def addition_summary(result: AddResult) -> dict[str, Any]:
    """Return what a program wants to know; ready for JSON. The features are those of the new samples alone."""
    extra = {"added": result.bundle.manifest.data["added"][-1], "comparison": result.comparison}
    return of_bundle(result.bundle, result.features) | extra


def render_addition_summary(result: AddResult) -> str:
    """Return what a person wants to know, and what to type next."""
    manifest, layout, comparison = result.bundle.manifest, result.bundle.layout, result.comparison
    step, metric = manifest.data["added"][-1], METRIC_NAMES[comparison["metric"]]
    new = f", of them new to it: {', '.join(step['new_labels'])}" if step["new_labels"] else ""
    new_score = (
        f", {_format_metric(comparison['new'])} on {comparison['new_samples']:,} new ones"
        if comparison["new"] is not None
        else ""
    )
    return f"""
{manifest.name} version {manifest.version} is in {layout.root}; version {step["from_version"]} stays
  {step["samples"]:,} samples were added, {len(manifest.labels)} labels{new}
  {metric} on the {comparison["old_samples"]:,} test samples of before: {_format_metric(comparison["before"])}, now {_format_metric(comparison["after"])}\
{new_score}
{_label_lines(comparison["labels"])}  report: {layout.report}

Next:
  serve --models {shlex.quote(str(layout.root.parent.parent))}
""".lstrip()


def _label_lines(labels: dict[str, dict[str, Any]]) -> str:
    """Return a line for each label that changed or is new, those that lost most first."""
    changed = [
        (_metric_change(facts), label, facts)
        for label, facts in labels.items()
        if facts["before"] is None or facts["after"] is None or abs(_metric_change(facts)) > MIN_MARKED_CHANGE
    ]
    changed.sort(key=lambda one: one[:2])
    lines = [
        f"    {label}: {_format_metric(facts['before'])} → {_format_metric(facts['after'])} of {facts['old_samples']:,}"
        f"; new {_format_metric(facts['new'])} of {facts['new_samples']:,}\n"
        for _, label, facts in changed[:MAX_LABELS_SHOWN]
    ]
    rest = (
        f"    … and {len(changed) - MAX_LABELS_SHOWN:,} more, in the report\n"
        if len(changed) > MAX_LABELS_SHOWN
        else ""
    )
    return "".join(lines) + rest


def _metric_change(facts: dict[str, Any]) -> float:
    return (
        float(facts["after"] - facts["before"]) if facts["before"] is not None and facts["after"] is not None else 0.0
    )


def _format_metric(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"
