"""The summary of a finished `finetune` or `finetune add`: one JSON object for programs, a few lines for people."""

from __future__ import annotations

import shlex
from typing import Any, Final

from finetune.add.add_samples import AddResult
from finetune.data.task import Task
from finetune.features.extract import Features
from finetune.report.page import METRIC_NAMES, MIN_MARKED_CHANGE
from finetune.result import TrainResult
from graft.bundle.manifest import Manifest
from graft.bundle.open_bundle import Bundle

MAX_LABELS_SHOWN: Final = 20  # labels with a line of their own


def run_summary(bundle: Bundle, features: Features) -> dict[str, Any]:
    """Return the summary of a published bundle and of the features it was trained on, ready for JSON (`--json`)."""
    manifest = bundle.manifest
    return {
        "model": manifest.name,
        "version": manifest.version,
        "path": str(bundle.layout.root),
        "task": manifest.task,
        "backbone": manifest.backbone["name"],
        "precision": manifest.precision,
        "depth": manifest.depth,
        "labels": list(manifest.labels),
        "counts": manifest.data["counts"],
        "skipped": [{"file": bad.ref, "reason": bad.reason} for bad in features.skipped_samples],
        "features": {
            "extracted": features.extracted_count,
            "of": len(features.samples),
            "tokens": features.token_count,
            "seconds": round(features.seconds, 3),
        },
        "metrics": manifest.metrics,
    }


def render_run_summary(result: TrainResult) -> str:
    """Return the summary of a run as text: metrics, files, and the commands to serve and to query the model."""
    manifest, layout = result.bundle.manifest, result.bundle.layout
    noun = "images" if manifest.sample_kind == "image" else "texts"
    privacy_note = (
        f"Note: golden.npz holds {len(result.bundle.read_golden().samples)} of your {noun}"
        f"{'' if manifest.task == Task.EMBED else ' and report.html shows some'}; --no-samples keeps them out."
        if manifest.samples == "user"
        else f"None of your {noun} are in the bundle or its report."
    )
    return f"""
{manifest.name} version {manifest.version} is in {layout.root}
{_metric_lines(manifest)}
  report: {layout.report}
{privacy_note}

Next:
  serve --models {shlex.quote(str(layout.root.parent.parent))}
  {_example_command(manifest)}
""".lstrip()


def _metric_lines(manifest: Manifest) -> str:
    metrics, k = manifest.metrics, len(manifest.labels)
    test_note = f"on {metrics.get('samples', 0):,} test samples, which were not used in training"
    match manifest.task:
        case Task.CLASSIFY:
            return (
                f"  accuracy {metrics['accuracy']:.1%} {test_note}\n"
                f"  ({k} classes, macro F1 {metrics['macro_f1']:.3f}, calibration error {metrics['ece']:.1%})"
                f"{_unknown_line(metrics)}"
            )
        case Task.TAG:
            return (
                f"  micro F1 {metrics['micro_f1']:.3f}, macro F1 {metrics['macro_f1']:.3f} {test_note}\n"
                f"  ({k} tags, all tags of a sample correct in {metrics['subset_accuracy']:.1%})"
            )
        case Task.REGRESS:
            r2 = "–" if metrics["r2"] is None else f"{metrics['r2']:.3f}"
            mae = f"mean absolute error {metrics['mae']:.4g}"
            return f"  R² {r2}, {mae} {test_note}\n  (the number is {manifest.labels[0]!r})"
        case _:
            return f"  it returns {manifest.signature.outputs[0].shape[-1]} features; nothing was trained"


def _unknown_line(metrics: dict[str, Any]) -> str:
    """Return a line on samples of known classes, if the model may answer "unknown"; else ""."""
    if (unknown := metrics.get("unknown")) is None:
        return ""
    of_these = "" if unknown["accuracy_known"] is None else f", {unknown['accuracy_known']:.1%} of these correctly"
    return f'\n  {unknown["known"]:.1%} of them get a class{of_these}; the others are answered with "unknown"'


def _example_command(manifest: Manifest) -> str:
    if manifest.task == Task.EMBED:
        return f"curl http://127.0.0.1:8000/v1/models/{manifest.name}:embed …   (report.html has the full command)"
    what = {"image": "FILE", "text": '"a text"', "pair": '"a text" "another"'}[manifest.sample_kind]
    return f"predict {manifest.name} {what}"


def addition_summary(result: AddResult) -> dict[str, Any]:
    """Return the summary of `finetune add`, ready for JSON; its features are those of the new samples only."""
    extra = {"added": result.bundle.manifest.data["added"][-1], "comparison": result.comparison}
    return run_summary(result.bundle, result.features) | extra


def render_addition_summary(result: AddResult) -> str:
    """Return the summary of `finetune add` as text, and the command to serve the model."""
    manifest, layout, comparison = result.bundle.manifest, result.bundle.layout, result.comparison
    step, metric = manifest.data["added"][-1], METRIC_NAMES[comparison["metric"]]
    new = f", of them new to it: {', '.join(step['new_labels'])}" if step["new_labels"] else ""
    before, after = (_format_metric(comparison[when]) for when in ("before", "after"))
    new_score = (
        f", {_format_metric(comparison['new'])} on {comparison['new_samples']:,} new ones"
        if comparison["new"] is not None
        else ""
    )
    return f"""
{manifest.name} version {manifest.version} is in {layout.root}; version {step["from_version"]} is kept
  {step["samples"]:,} samples were added, {len(manifest.labels)} labels{new}
  {metric} on the {comparison["old_samples"]:,} old test samples: {before}, now {after}{new_score}
{_label_lines(comparison["labels"])}  report: {layout.report}

Next:
  serve --models {shlex.quote(str(layout.root.parent.parent))}
""".lstrip()


def _label_lines(labels: dict[str, dict[str, Any]]) -> str:
    """Return a line for each label that changed or is new, the largest losses first."""
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
