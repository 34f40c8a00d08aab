"""What is told of a finished run: one object for programs, a few lines for people."""

from __future__ import annotations

import shlex
from typing import Any

from finetune.data.task import Task
from finetune.features.extract import Features
from finetune.result import TrainResult
from graft.bundle.manifest import Manifest
from graft.bundle.open_bundle import Bundle


def run_summary(bundle: Bundle, features: Features) -> dict[str, Any]:
    """Return what a program wants to know of a published bundle and the features it came from; ready for JSON."""
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
    """Return what a person wants to know of a result, and what to type next."""
    manifest, layout = result.bundle.manifest, result.bundle.layout
    noun = "texts" if manifest.input["kind"] == "text" else "pictures"
    privacy_note = (
        f"Note: golden.npz holds {len(result.bundle.read_golden().samples)} of your {noun}"
        f"{'' if manifest.task == Task.EMBED else ' and report.html shows some'}; --no-samples keeps them out."
        if manifest.samples == "user"
        else f"None of your {noun} is in the bundle or its report."
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
    test_note = f"on {metrics.get('samples', 0):,} test samples that it never saw"
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
                f"  ({k} tags, all of a sample's right in {metrics['subset_accuracy']:.1%})"
            )
        case Task.REGRESS:
            r2 = "–" if metrics["r2"] is None else f"{metrics['r2']:.3f}"
            return f"  R² {r2}, mean absolute error {metrics['mae']:.4g} {test_note}\n  (the number is {manifest.labels[0]!r})"
        case _:
            return f"  it answers with {manifest.signature.outputs[0].shape[-1]} features; nothing was trained"


def _unknown_line(metrics: dict[str, Any]) -> str:
    """Say what becomes of known classes where the model may answer "unknown"."""
    if (unknown := metrics.get("unknown")) is None:
        return ""
    of_these = "" if unknown["accuracy_known"] is None else f", {unknown['accuracy_known']:.1%} of these rightly"
    return f'\n  {unknown["known"]:.1%} of them get a class{of_these}; the others are answered with "unknown"'


def _example_command(manifest: Manifest) -> str:
    if manifest.task == Task.EMBED:
        return f"curl http://127.0.0.1:8000/v1/models/{manifest.name}:embed …   (report.html has the whole line)"
    what = {None: "FILE", 1: '"a text"', 2: '"a text" "another"'}[manifest.input.get("texts")]
    return f"predict {manifest.name} {what}"
