"""How far its confidence can be trusted: risk over coverage, and what it takes for unknown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

import numpy as np

from graft.types import BoolArray, Float32Array

LEFT, TOP, SIDE = 44, 10, 280  # of a drawing's square, in its own units
HISTOGRAM_BARS: Final = 30
RISK_AXIS_ENDS: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)  # ends of the axis of risk


def render_risk_coverage(risk_coverage: Mapping[str, Any]) -> str:
    """Return the section on how often it would be wrong if it answered only where it is surest."""
    curve = risk_coverage["curve"]
    max_risk = next(end for end in RISK_AXIS_ENDS if end >= max(0.02, *(point["risk"] for point in curve)))

    def place(coverage: float, risk: float) -> str:
        return f"{LEFT + SIDE * coverage:.1f},{TOP + SIDE * (1 - risk / max_risk):.1f}"

    ticks = "".join(
        f"<path d='M{place(0, max_risk * t)} L{place(1, max_risk * t)}' stroke='var(--line)'/>"
        f"<text x='{LEFT - 6}' y='{TOP + SIDE * (1 - t) + 4}' text-anchor='end'>{100 * max_risk * t:.3g}%</text>"
        f"<text x='{LEFT + SIDE * t}' y='{TOP + SIDE + 16}' text-anchor='middle'>{t:.0%}</text>"
        for t in (0, 0.25, 0.5, 0.75, 1)
    )
    limits = "".join(
        f"<path d='M{place(0, risk)} L{place(1, risk)}' stroke='var(--soft)' stroke-dasharray='4 4'/>"
        for risk in (0.01, 0.05)
        if risk < max_risk
    )
    dots = "".join(
        f"<circle cx='{x}' cy='{y}' r='2' fill='var(--good)'><title>the surest {point['coverage']:.1%}, said with "
        f"{point['confidence']:.1%} or more: {point['risk']:.2%} wrong</title></circle>"
        for point in curve
        for x, y in (place(point["coverage"], point["risk"]).split(","),)
    )
    line = " ".join(place(point["coverage"], point["risk"]) for point in curve)
    return f"""<section><h2>If it answered only where it is sure</h2>
<p class=soft>Errors among the surest share of the samples, over that share. Under 1 % are wrong of the surest
{_format_coverage(risk_coverage["coverage_at_1"])}, under 5 % of the surest {_format_coverage(risk_coverage["coverage_at_5"])}.
Area under the curve: {risk_coverage["aurc"]:.4f}.</p>
<svg viewBox="0 0 340 325" role=img aria-label="Errors over the share that is answered">{ticks}{limits}
<polyline points="{line}" fill="none" stroke="var(--good)" stroke-width="2"/>{dots}
<text x="{LEFT + SIDE / 2}" y="{TOP + SIDE + 33}" text-anchor="middle">share answered</text></svg></section>"""


def _format_coverage(share: float) -> str:
    return f"{share:.1%}" if share else "0 %: no certainty is enough"


def render_unknown(
    novelty: Mapping[str, Any], metrics: Mapping[str, Any], novelties: Float32Array, is_correct: BoolArray
) -> str:
    """Return the section on when it says "unknown".

    `novelty` and `metrics` are what the manifest says of the head and of the test part; `novelties` [m] is the novelty of
    the test samples, of which `is_correct` [m] got the right class.
    """
    facts = {
        "Score": _SCORE_DESCRIPTIONS[novelty["kind"]],
        "Threshold": f"{novelty['threshold']:.4g}; above it the answer is “unknown”",
        "Known": f"{novelty['known']:.1%} of the validation samples, {metrics['known']:.1%} of the test samples",
        "Accuracy": f"{_format_percent(metrics['accuracy_known'])} of the known test samples, "
        f"{_format_percent(metrics['accuracy_unknown'])} of the others",
        "Tried on": _describe_trials(novelty["auroc"], novelty["held_out"]),
    }
    rows = "".join(f"<dt>{what}</dt><dd>{escape(value)}</dd>" for what, value in facts.items())
    return f"""<section><h2>When it says “unknown”</h2>
<p class=soft>How unlike everything it has learnt a sample is: its novelty.</p>
<div class=pair><dl>{rows}</dl>{_draw_histogram(novelties, is_correct, float(novelty["threshold"]))}</div></section>"""


_SCORE_DESCRIPTIONS: Final = {
    "distance": "distance from the nearest class, in deviations within a class",
    "energy": "energy: minus the logarithm of the summed exponentials of the logits",
}


def _format_percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"


def _describe_trials(auroc: Mapping[str, float | None], held_out: Sequence[str]) -> str:
    """Say how well the scores tell classes that they never saw."""
    areas = ", ".join(f"{kind} {area:.3f}" for kind, area in auroc.items() if area is not None)
    if not areas:
        return "nothing: no class could be held out"
    return f"{len(held_out)} classes held out one by one ({', '.join(held_out)}); mean AUROC: {areas}"


def _draw_histogram(novelties: Float32Array, is_correct: BoolArray, threshold: float) -> str:
    """Draw the novelty of the test samples, the wrong ones on top, and the threshold."""
    # The few that are furthest off must not press all others together; they stand in the last bar.
    low, high = float(novelties.min()), max(float(np.quantile(novelties, 0.99)), threshold)
    high += 0.15 * ((high - low) or 1.0)
    clipped_novelties = np.clip(novelties, low, high)
    edges = np.linspace(low, high, HISTOGRAM_BARS + 1)
    good, bad = (np.histogram(clipped_novelties[rows], edges)[0] for rows in (is_correct, ~is_correct))
    max_count = int((good + bad).max())
    width, step = 400, 400 / HISTOGRAM_BARS
    bars = "".join(
        _draw_bar(LEFT + at * step, step, 0, int(g), max_count, "good")
        + _draw_bar(LEFT + at * step, step, int(g), int(b), max_count, "bad")
        for at, (g, b) in enumerate(zip(good, bad, strict=True))
    )
    at = LEFT + width * (threshold - low) / (high - low)
    ticks = "".join(
        f"<text x='{LEFT + width * t}' y='206' text-anchor='middle'>{low + t * (high - low):.3g}</text>"
        for t in (0, 0.25, 0.5, 0.75, 1)
    )
    return f"""<svg viewBox="0 0 470 232" class=broad role=img aria-label="Novelty of the test samples">
<text x="{LEFT - 6}" y="24" text-anchor="end">{max_count}</text><text x="{LEFT - 6}" y="194" text-anchor="end">0</text>
<path d="M{LEFT} 190.5 H{LEFT + width}" stroke="var(--line)"/>{bars}{ticks}
<path d="M{at:.1f} 12 V190" stroke="var(--ink)" stroke-dasharray="4 4"/>
<text x="{at - 6:.1f}" y="18" text-anchor="end">known</text><text x="{at + 6:.1f}" y="18">unknown</text>
<text x="{LEFT + width / 2}" y="226" text-anchor="middle">novelty of the test samples:
<tspan fill="var(--good)">right</tspan>, <tspan fill="var(--bad)">wrong</tspan></text></svg>"""


def _draw_bar(x: float, width: float, offset: int, count: int, max_count: int, color: str) -> str:
    if not count:
        return ""
    tall, top = 165 * count / max_count, 190 - 165 * (offset + count) / max_count
    return (
        f"<rect x='{x + 0.5:.1f}' y='{top:.1f}' width='{width - 1:.1f}' height='{tall:.1f}' fill='var(--{color})'>"
        f"<title>{count} {'right' if color == 'good' else 'wrong'}</title></rect>"
    )
