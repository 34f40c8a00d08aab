"""The report's drawings, as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

import numpy as np

from graft.types import Float64Array

MAX_DOTS: Final = 1500  # samples that a drawing shows


def draw_reliability(curve: Sequence[Mapping[str, Any]]) -> str:
    """Return the reliability curve as a drawing: accuracy over confidence, dots as large as their bins are full."""
    left, top, side = 40, 10, 280
    max_count = max(b["count"] for b in curve)

    def place(confidence: float, accuracy: float) -> str:
        return f"{left + side * confidence:.1f},{top + side * (1 - accuracy):.1f}"

    points = [place(b["confidence"], b["accuracy"]) for b in curve]
    dots = "".join(
        f"<circle cx='{x}' cy='{y}' r='{3 + 6 * (b['count'] / max_count) ** 0.5:.1f}' fill='var(--good)' fill-opacity='.75'>"
        f"<title>{b['count']} samples: said {b['confidence']:.1%}, right {b['accuracy']:.1%}</title></circle>"
        for b, (x, y) in zip(curve, (point.split(",") for point in points), strict=True)
    )
    ticks = "".join(
        f"<path d='M{place(0, t)} L{place(1, t)}' stroke='var(--line)'/>"
        f"<text x='{left - 6}' y='{top + side * (1 - t) + 4}' text-anchor='end'>{t:.0%}</text>"
        f"<text x='{left + side * t}' y='{top + side + 16}' text-anchor='middle'>{t:.0%}</text>"
        for t in (0, 0.25, 0.5, 0.75, 1)
    )
    return f"""<section><h2>Reliability</h2>
<p class=soft>How often it was right, over how sure it said it was. On the dashed line both agree.</p>
<svg viewBox="0 0 340 325" role=img aria-label="Accuracy over confidence">{ticks}
<path d="M{place(0, 0)} L{place(1, 1)}" stroke="var(--soft)" stroke-dasharray="4 4" fill="none"/>
<polyline points="{" ".join(points)}" fill="none" stroke="var(--good)" stroke-width="2"/>{dots}
<text x="{left + side / 2}" y="{top + side + 33}" text-anchor="middle">said probability</text></svg></section>"""


def draw_residuals(truth: Float64Array, predictions: Float64Array, target: str) -> str:
    """Return what was said over what is true, and the error over what was said, each as dots; float64 [m]."""
    rows = np.linspace(0, len(truth) - 1, min(len(truth), MAX_DOTS)).astype(int)
    truth, predictions = truth[rows], predictions[rows]
    low, high = float(min(truth.min(), predictions.min())), float(max(truth.max(), predictions.max()))
    errors = predictions - truth
    max_error = float(np.abs(errors).max())
    name = escape(target)
    few = f" {MAX_DOTS:,} of the test samples are shown." if len(rows) == MAX_DOTS else ""
    return f"""<section><h2>What it said, and how far off</h2>
<p class=soft>Each dot is a test sample; on the dashed lines it would be right.{few}</p>
<div class=pair>{_draw_scatter(truth, predictions, (low, high), (low, high), f"true {name}", f"said {name}", "M0 1 L1 0")}
{_draw_scatter(predictions, errors, (low, high), (-max_error, max_error), f"said {name}", "said minus true", "M0 .5 L1 .5")}</div></section>"""


def _draw_scatter(
    x: Float64Array,
    y: Float64Array,
    x_range: tuple[float, float],
    y_range: tuple[float, float],
    x_label: str,
    y_label: str,
    reference_line: str,
) -> str:
    left, top, side = 62, 18, 270

    def share(value: Float64Array, ends: tuple[float, float]) -> Float64Array:
        return (value - ends[0]) / ((ends[1] - ends[0]) or 1.0)

    dots = "".join(
        f"<circle cx='{left + side * a:.1f}' cy='{top + side * (1 - b):.1f}' r='3'/>"
        for a, b in zip(share(x, x_range), share(y, y_range), strict=True)
    )
    ticks = "".join(
        f"<text x='{left - 6}' y='{top + side * (1 - t) + 4}' text-anchor='end'>"
        f"{y_range[0] + t * (y_range[1] - y_range[0]):.3g}</text>"
        f"<text x='{left + side * t}' y='{top + side + 16}' text-anchor='middle'>"
        f"{x_range[0] + t * (x_range[1] - x_range[0]):.3g}</text>"
        for t in (0, 0.5, 1)
    )
    (x0, y0), (x1, y1) = (point.lstrip("ML").split() for point in reference_line.split(" L"))
    line = f"M{left + side * float(x0)} {top + side * float(y0)} L{left + side * float(x1)} {top + side * float(y1)}"
    return f"""<svg viewBox="0 0 350 330" role=img aria-label="{y_label} over {x_label}">
<rect x="{left}" y="{top}" width="{side}" height="{side}" fill="none" stroke="var(--line)"/>
<path d="{line}" stroke="var(--soft)" stroke-dasharray="4 4" fill="none"/>{ticks}
<g fill="var(--good)" fill-opacity=".45">{dots}</g>
<text x="{left}" y="12">{y_label}</text>
<text x="{left + side / 2}" y="{top + side + 33}" text-anchor="middle">{x_label}</text></svg>"""
