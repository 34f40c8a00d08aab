"""The report's charts as inline SVG: reliability, risk over coverage, novelty, residuals, training curves.

Colours are variables of templates/style.css, so that the charts follow light and dark mode.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from markupsafe import Markup, escape

from graft.types import BoolArray, Float32Array, Float64Array

Point = tuple[float, float]  # x, y
Interval = tuple[float, float]  # low, high
Curve = tuple[str, str, Sequence[float]]  # name, colour, a value for each epoch
TickFormat = Callable[[float], str]

MAX_SCATTER_POINTS: Final = 1500
HISTOGRAM_BARS: Final = 30
RISK_AXIS_ENDS: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)  # where the axis of risk may end
RISK_LIMITS: Final = (0.01, 0.05)  # risks that get a dashed line
HALVES: Final = (0.0, 0.5, 1.0)
QUARTERS: Final = (0.0, 0.25, 0.5, 0.75, 1.0)

_percent: TickFormat = "{:.0%}".format
_number: TickFormat = "{:.3g}".format


@dataclass(frozen=True, slots=True)
class PlotArea:
    """The rectangle that a chart draws in, in units of its `viewBox`, and the values at its edges."""

    left: float
    top: float
    width: float
    height: float
    x_range: Interval = (0.0, 1.0)
    y_range: Interval = (0.0, 1.0)

    @property
    def bottom(self) -> float:
        """The y coordinate of the lower edge."""
        return self.top + self.height

    def place(self, x: float, y: float) -> Point:
        """Return the coordinates of a value."""
        (x_low, x_high), (y_low, y_high) = self.x_range, self.y_range
        across = (x - x_low) / ((x_high - x_low) or 1.0)
        up = (y - y_low) / ((y_high - y_low) or 1.0)
        return self.left + self.width * across, self.top + self.height * (1 - up)

    def x_ticks(self, shares: Sequence[float], label: TickFormat = _number) -> list[Markup]:
        """Return numbers below the area, at these shares of its width."""
        low, high = self.x_range
        return [
            _text(self.left + self.width * share, self.bottom + 16, label(low + share * (high - low)))
            for share in shares
        ]

    def y_ticks(self, shares: Sequence[float], label: TickFormat = _number, *, grid: bool = True) -> list[Markup]:
        """Return numbers left of the area, at these shares of its height, and with `grid` a line across for each."""
        low, high = self.y_range
        ticks = []
        for share in shares:
            y = self.top + self.height * (1 - share)
            if grid:
                ticks.append(_line((self.left, y), (self.left + self.width, y), "--line"))
            ticks.append(_text(self.left - 6, y + 4, label(low + share * (high - low)), anchor="end"))
        return ticks

    def x_label(self, *content: str, below: float = 33) -> Markup:
        """Return the name of the x axis."""
        return _text(self.left + self.width / 2, self.bottom + below, *content)


def draw_reliability(bins: Sequence[Mapping[str, Any]]) -> Markup:
    """Draw the reliability curve: accuracy over confidence, a dot for each bin, the larger the more samples it has."""
    area = PlotArea(40, 10, 280, 280)
    max_count = max(one["count"] for one in bins)
    points = [area.place(one["confidence"], one["accuracy"]) for one in bins]
    dots = (
        _dot(
            point,
            3 + 6 * (one["count"] / max_count) ** 0.5,
            "--good",
            f"{one['count']} samples: confidence {one['confidence']:.1%}, accuracy {one['accuracy']:.1%}",
            fill_opacity=0.75,
        )
        for one, point in zip(bins, points, strict=True)
    )
    return _svg(
        (340, 330),
        "Accuracy over confidence",
        *area.y_ticks(QUARTERS, _percent),
        *area.x_ticks(QUARTERS, _percent),
        _line(area.place(0, 0), area.place(1, 1), "--soft", dashed=True),
        _polyline(points, "--good"),
        *dots,
        area.x_label("confidence"),
    )


def draw_risk_coverage(curve: Sequence[Mapping[str, Any]]) -> Markup:
    """Draw the risk-coverage curve: the error rate of the most confident samples over their share of all samples."""
    max_risk = next(end for end in RISK_AXIS_ENDS if end >= max(0.02, *(one["risk"] for one in curve)))
    area = PlotArea(44, 10, 280, 280, y_range=(0, max_risk))
    points = [area.place(one["coverage"], one["risk"]) for one in curve]
    limits = (
        _line(area.place(0, risk), area.place(1, risk), "--soft", dashed=True)
        for risk in RISK_LIMITS
        if risk < max_risk
    )
    dots = (
        _dot(
            point,
            2,
            "--good",
            f"most confident {one['coverage']:.1%}, confidence {one['confidence']:.1%} on: {one['risk']:.2%} wrong",
        )
        for one, point in zip(curve, points, strict=True)
    )
    return _svg(
        (340, 330),
        "Error rate over coverage",
        *area.y_ticks(QUARTERS, lambda risk: f"{100 * risk:.3g}%"),
        *area.x_ticks(QUARTERS, _percent),
        *limits,
        _polyline(points, "--good"),
        *dots,
        area.x_label("coverage"),
    )


def draw_novelty_histogram(novelty: Float32Array, is_correct: BoolArray, threshold: float) -> Markup:
    """Draw the novelty of the test samples, float32 [m], and its threshold; `is_correct` bool [m] colours the bars."""
    # The few most novel samples must not press all others together: they are counted in the last bar.
    low, high = float(novelty.min()), max(float(np.quantile(novelty, 0.99)), threshold)
    high += 0.15 * ((high - low) or 1.0)
    edges = np.linspace(low, high, HISTOGRAM_BARS + 1)
    clipped = np.clip(novelty, low, high)
    right, wrong = (np.histogram(clipped[rows], edges)[0].tolist() for rows in (is_correct, ~is_correct))
    max_count = max(map(sum, zip(right, wrong, strict=True)))
    area = PlotArea(44, 25, 400, 165, (low, high), (0, max_count))
    step = area.width / HISTOGRAM_BARS
    bars: list[Markup] = []
    for bar, (right_count, wrong_count) in enumerate(zip(right, wrong, strict=True)):
        left = area.left + bar * step
        bars += _stacked_bar(area, left, step, 0, right_count, "--good", "right")
        bars += _stacked_bar(area, left, step, right_count, wrong_count, "--bad", "wrong")
    mark = area.place(threshold, 0)[0]
    return _svg(
        (470, 232),
        "Novelty of the test samples",
        _text(area.left - 6, 24, str(max_count), anchor="end"),
        _text(area.left - 6, 194, "0", anchor="end"),
        _line((area.left, 190.5), (area.left + area.width, 190.5), "--line"),
        *bars,
        *area.x_ticks(QUARTERS),
        _line((mark, 12), (mark, area.bottom), "--ink", dashed=True),
        _text(mark - 6, 18, "known", anchor="end"),
        _text(mark + 6, 18, "unknown", anchor="start"),
        area.x_label(
            "novelty of the test samples: ", _span("right", "--good"), ", ", _span("wrong", "--bad"), below=36
        ),
        css_class="broad",
    )


def _stacked_bar(
    area: PlotArea, left: float, width: float, offset: int, count: int, colour: str, meaning: str
) -> list[Markup]:
    """Return a bar of `count` samples that stands on `offset` others; nothing for none."""
    if not count:
        return []
    (_, bottom), (_, top) = area.place(0, offset), area.place(0, offset + count)
    bar = _element(
        "rect",
        _element("title", f"{count} {meaning}"),
        x=left + 0.5,
        y=top,
        width=width - 1,
        height=bottom - top,
        fill=f"var({colour})",
    )
    return [bar]


def draw_residuals(truth: Float64Array, predictions: Float64Array, target: str) -> tuple[Markup, Markup]:
    """Draw predictions over true values, and errors over predictions, a dot for each test sample; float64 [m]."""
    rows = np.linspace(0, len(truth) - 1, min(len(truth), MAX_SCATTER_POINTS)).astype(int)
    truth, predictions = truth[rows], predictions[rows]
    values = float(min(truth.min(), predictions.min())), float(max(truth.max(), predictions.max()))
    errors = predictions - truth
    max_error = float(np.abs(errors).max())
    return (
        _draw_scatter(truth, predictions, values, values, f"true {target}", f"predicted {target}", (1, 0)),
        _draw_scatter(
            predictions,
            errors,
            values,
            (-max_error, max_error),
            f"predicted {target}",
            "prediction minus truth",
            (0.5, 0.5),
        ),
    )


def _draw_scatter(
    x: Float64Array,
    y: Float64Array,
    x_range: Interval,
    y_range: Interval,
    x_label: str,
    y_label: str,
    reference_line: Interval,
) -> Markup:
    """Draw dots, float64 [m]; `reference_line` is where a dashed line begins and ends, as shares from the top."""
    area = PlotArea(62, 18, 270, 270, x_range, y_range)
    start, end = (area.top + area.height * share for share in reference_line)
    dots = (
        _element("circle", cx=cx, cy=cy, r=3)
        for cx, cy in (area.place(a, b) for a, b in zip(x.tolist(), y.tolist(), strict=True))
    )
    return _svg(
        (350, 330),
        f"{y_label} over {x_label}",
        _element(
            "rect", x=area.left, y=area.top, width=area.width, height=area.height, fill="none", stroke="var(--line)"
        ),
        _line((area.left, start), (area.left + area.width, end), "--soft", dashed=True),
        *area.y_ticks(HALVES, grid=False),
        *area.x_ticks(HALVES),
        _element("g", *dots, fill="var(--good)", fill_opacity=0.45),
        _text(area.left, 12, y_label, anchor="start"),
        area.x_label(x_label),
    )


def draw_training_curves(title: str, curves: Sequence[Curve], best_epoch: int) -> Markup:
    """Draw values over epochs, with a dashed line at `best_epoch` (from 1; 0 for none)."""
    epochs = len(curves[0][2])
    values = [value for _, _, curve in curves for value in curve]
    # Of a single epoch the dot is in the middle.
    x_range = (1.0, float(epochs)) if epochs > 1 else (0.5, 1.5)
    area = PlotArea(56, 14, 300, 190, x_range, (min(values), max(values)))
    lines: list[Markup] = []
    for _, colour, curve in curves:
        points = [area.place(epoch, value) for epoch, value in enumerate(curve, 1)]
        lines += [_polyline(points, colour), *(_dot(point, 2.5, colour) for point in points)]
    mark = area.place(best_epoch, 0)[0]
    best = [_line((mark, area.top), (mark, area.bottom), "--soft", dashed=True)] if best_epoch else []
    # Not beside the lines: names that lie on curves cannot be read.
    names = [part for name, colour, _ in curves for part in (", ", _span(name, colour))][1:]
    return _svg(
        (370, 250),
        f"{title} over epochs",
        *area.y_ticks(HALVES),
        *best,
        *lines,
        _text(area.left, area.bottom + 16, "1"),
        _text(area.left + area.width, area.bottom + 16, str(epochs)),
        area.x_label(f"{title}, over epochs: ", *names, below=32),
    )


def _svg(size: tuple[int, int], description: str, *content: Markup, css_class: str = "") -> Markup:
    return _element(
        "svg",
        *content,
        viewBox=f"0 0 {size[0]} {size[1]}",
        role="img",
        aria_label=description,
        **({"class": css_class} if css_class else {}),
    )


def _line(start: Point, end: Point, colour: str, *, dashed: bool = False) -> Markup:
    (x1, y1), (x2, y2) = start, end
    path = f"M{x1:.1f} {y1:.1f} L{x2:.1f} {y2:.1f}"
    return _element("path", d=path, stroke=f"var({colour})", **({"stroke_dasharray": "4 4"} if dashed else {}))


def _polyline(points: Sequence[Point], colour: str) -> Markup:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return _element("polyline", points=path, fill="none", stroke=f"var({colour})", stroke_width=2)


def _dot(point: Point, radius: float, colour: str, tooltip: str = "", **attributes: float) -> Markup:
    content = [_element("title", tooltip)] if tooltip else []
    return _element("circle", *content, cx=point[0], cy=point[1], r=radius, fill=f"var({colour})", **attributes)


def _text(x: float, y: float, *content: str, anchor: str = "middle") -> Markup:
    return _element("text", *content, x=x, y=y, text_anchor=anchor)


def _span(content: str, colour: str) -> Markup:
    return _element("tspan", content, fill=f"var({colour})")


def _element(name: str, *content: str, **attributes: str | float) -> Markup:
    """Return an SVG element; `content` and attribute values are escaped unless they are `Markup`."""
    pairs = "".join(
        f' {key.replace("_", "-")}="{escape(format(value, ".5g") if isinstance(value, float) else value)}"'
        for key, value in attributes.items()
    )
    return Markup(f"<{name}{pairs}>{''.join(map(escape, content))}</{name}>")  # noqa: S704 - all of it is escaped
