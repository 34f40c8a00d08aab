"""What is told of a model that was taught more: one object for programs, a few lines for people."""

from __future__ import annotations

import shlex
from typing import Any, Final

from finetune.add.pipeline import Added
from finetune.report.added import CHANGED, NAMES
from finetune.summary import facts as of_bundle

SHOWN: Final = 20  # labels that are told one by one


def facts(added: Added) -> dict[str, Any]:
    """Return what a program wants to know; ready for JSON. The features are those of the new samples alone."""
    told = {"added": added.bundle.manifest.data["added"][-1], "comparison": added.comparison}
    return of_bundle(added.bundle, added.features) | told


def summary(added: Added) -> str:
    """Return what a person wants to know, and what to type next."""
    manifest, layout, told = added.bundle.manifest, added.bundle.layout, added.comparison
    step, metric = manifest.data["added"][-1], NAMES[told["metric"]]
    new = f", of them new to it: {', '.join(step['new_labels'])}" if step["new_labels"] else ""
    measured = f", {_shown(told['new'])} on {told['new_samples']:,} new ones" if told["new"] is not None else ""
    return f"""
{manifest.name} version {manifest.version} is in {layout.root}; version {step["from_version"]} stays
  {step["samples"]:,} samples were added, {len(manifest.labels)} labels{new}
  {metric} on the {told["old_samples"]:,} test samples of before: {_shown(told["before"])}, now {_shown(told["after"])}\
{measured}
{_labels(told["labels"])}  report: {layout.report}

Next:
  serve --models {shlex.quote(str(layout.root.parent.parent))}
""".lstrip()


def _labels(labels: dict[str, dict[str, Any]]) -> str:
    """Return a line for each label that changed or is new, those that lost most first."""
    moved = [
        (_change(facts), label, facts)
        for label, facts in labels.items()
        if facts["before"] is None or facts["after"] is None or abs(_change(facts)) > CHANGED
    ]
    moved.sort(key=lambda one: one[:2])
    lines = [
        f"    {label}: {_shown(facts['before'])} → {_shown(facts['after'])} of {facts['old_samples']:,}"
        f"; new {_shown(facts['new'])} of {facts['new_samples']:,}\n"
        for _, label, facts in moved[:SHOWN]
    ]
    rest = f"    … and {len(moved) - SHOWN:,} more, in the report\n" if len(moved) > SHOWN else ""
    return "".join(lines) + rest


def _change(facts: dict[str, Any]) -> float:
    return (
        float(facts["after"] - facts["before"]) if facts["before"] is not None and facts["after"] is not None else 0.0
    )


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"
