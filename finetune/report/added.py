"""The section of a version that was taught more: what that did to the labels it knew."""

from __future__ import annotations

from html import escape
from typing import Any, Final

from graft.bundle.manifest import Manifest

METRIC_NAMES: Final = {"accuracy": "accuracy", "micro_f1": "micro F1", "rmse": "root of the mean squared error"}
MIN_MARKED_CHANGE: Final = 0.005  # of a label's recall or F1: what is less is not marked


def render_added(manifest: Manifest) -> str:
    """Return the section as HTML; nothing where nothing was added."""
    added: dict[str, Any] | None = manifest.metrics.get("added")
    if not added:
        return ""
    step = manifest.data["added"][-1]
    metric = METRIC_NAMES[added["metric"]]
    new = f", {added['new']:.4g} on {added['new_samples']:,} new ones" if added["new"] is not None else ""
    rows = "".join(_render_label_row(label, facts) for label, facts in added["labels"].items())
    head = "<tr><th>label</th><th>before</th><th>after</th><th>samples</th><th>new</th><th>samples</th></tr>"
    table = f"<table>{head}{rows}</table>" if rows else ""
    return f"""<section><h2>What was added, and what that did</h2>
<p class=soft>{step["samples"]:,} samples of {escape(step["source"])} were added to version {step["from_version"]}.
The {metric} on the {added["old_samples"]:,} test samples of before was {added["before"]:.4g},
and is {added["after"]:.4g} now{new}.
</p>{table}</section>"""


def _render_label_row(label: str, facts: dict[str, Any]) -> str:
    before, after = facts["before"], facts["after"]
    worse = before is not None and after is not None and after < before - MIN_MARKED_CHANGE
    cells = (
        _format_number(before),
        f"<b>{_format_number(after)}</b>" if worse else _format_number(after),
        f"{facts['old_samples']:,}",
        _format_number(facts["new"]),
        f"{facts['new_samples']:,}",
    )
    return f"<tr><td>{escape(label)}</td>{''.join(f'<td class=number>{cell}</td>' for cell in cells)}</tr>"


def _format_number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
