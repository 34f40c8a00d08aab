"""The chart of `zoo bench --plot`: published accuracy over milliseconds here, as a PNG, with the frontier marked."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from graft.errors import RecipeError
from graft.storage.atomic_file import write_atomic
from zoo.bench.bench_result import BenchResult
from zoo.bench.chart_layout import Axes, Box, line_boxes, place_labels
from zoo.bench.machine import Machine
from zoo.bench.pareto import ParetoPoint, pareto_frontier, pareto_points
from zoo.catalog.backbone import Precision
from zoo.catalog.find import all_backbones

WIDTH, HEIGHT = 1500, 950  # pixels of the file
_SUPERSAMPLING: Final = 2  # drawn so many times as large, then made smaller: smooth edges
_PLOT_AREA: Final = Box(95, 130, 1465, 840)
_MARKER_RADIUS: Final = 7
_TEXT_COLOR, _MUTED_COLOR, _GRID_COLOR, _BACKGROUND_COLOR = "#1f2328", "#59636e", "#e6e9ec", "#ffffff"
_FRONTIER_COLOR, _POINT_COLOR = "#0969da", "#8c959f"


def write_chart(path: Path, results: Iterable[BenchResult], machine: Machine) -> str:
    """Write the chart of what was measured on `machine`, and return a line that says what is in it.

    Raises:
        RecipeError: nothing measured has a published accuracy, or the file cannot be written.
    """
    plotted = pareto_points(results, all_backbones())
    if not plotted:
        raise RecipeError(
            "there is nothing to draw: no image network whose accuracy is published was measured on this machine. "
            "`zoo list --kind image --sort top1` shows which are; run: zoo bench NAME --plot FILE.png"
        )
    file = io.BytesIO()
    image, unlabelled_count = _render(plotted, machine)
    image.save(file, "PNG")
    try:
        write_atomic(path, file.getvalue())
        path.chmod(0o644)  # it is to be shown to others
    except OSError as fault:
        raise RecipeError(f"{path} cannot be written ({fault.strerror}). Name another file with --plot.") from None
    label_note = f"; {unlabelled_count} have no room for their names" if unlabelled_count else ""
    trunks = "1 trunk" if len(plotted) == 1 else f"{len(plotted)} trunks"
    return f"{path}: {trunks}, {len(pareto_frontier(plotted))} of them on the frontier{_random_weights_note(plotted)}{label_note}"


def _render(plotted: Sequence[ParetoPoint], machine: Machine) -> tuple[Image.Image, int]:
    """Return the picture, and how many points have no label."""
    image = Image.new("RGB", (WIDTH * _SUPERSAMPLING, HEIGHT * _SUPERSAMPLING), _BACKGROUND_COLOR)
    pen = _Canvas(image)
    axes = Axes.from_values(_PLOT_AREA, [point.ms for point in plotted], [point.top1 for point in plotted])
    best = pareto_frontier(plotted)
    _draw_frame(pen, axes, f"{machine}; one image alone on one thread{_random_weights_note(plotted)}")
    stairs = _frontier_steps(axes, best)
    pen.line(stairs, _FRONTIER_COLOR, 2)
    for point in plotted:
        _draw_marker(pen, axes, point, point in best)
    ranked = (*best, *(point for point in reversed(plotted) if point not in best))
    unlabelled_count = _draw_labels(pen, axes, ranked, best, line_boxes(stairs))
    return image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS), unlabelled_count


class _Canvas:
    """Draws in the pixels of the file, whatever they are drawn in."""

    def __init__(self, image: Image.Image) -> None:
        self._draw = ImageDraw.Draw(image)

    def line(self, points: Sequence[tuple[float, float]], color: str, width: float = 1) -> None:
        self._draw.line(
            [(x * _SUPERSAMPLING, y * _SUPERSAMPLING) for x, y in points],
            fill=color,
            width=round(width * _SUPERSAMPLING),
            joint="curve",
        )

    def circle(self, x: float, y: float, color: str, fill: str) -> None:
        self._draw.ellipse(self._marker_box(x, y), fill=fill, outline=color, width=2 * _SUPERSAMPLING)

    def square(self, x: float, y: float, color: str, fill: str) -> None:
        self._draw.rectangle(self._marker_box(x, y), fill=fill, outline=color, width=2 * _SUPERSAMPLING)

    def text(self, x: float, y: float, content: str, size: float, color: str, anchor: str = "lm") -> None:
        self._draw.text((x * _SUPERSAMPLING, y * _SUPERSAMPLING), content, fill=color, font=_font(size), anchor=anchor)

    def text_width(self, content: str, size: float) -> float:
        return float(self._draw.textlength(content, font=_font(size))) / _SUPERSAMPLING

    def _marker_box(self, x: float, y: float) -> tuple[float, float, float, float]:
        return (
            (x - _MARKER_RADIUS) * _SUPERSAMPLING,
            (y - _MARKER_RADIUS) * _SUPERSAMPLING,
            (x + _MARKER_RADIUS) * _SUPERSAMPLING,
            (y + _MARKER_RADIUS) * _SUPERSAMPLING,
        )


def _font(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return Pillow's own font: it is the same on every machine."""
    return ImageFont.load_default(size * _SUPERSAMPLING)


def _random_weights_note(plotted: Sequence[ParetoPoint]) -> str:
    """Say how many were timed with random weights, which are as fast, and whose accuracy is that of the real ones."""
    count = sum(point.weights == "random" for point in plotted)
    return (
        f"; {'all' if count == len(plotted) else f'{count} of {len(plotted)}'} timed with random weights"
        if count
        else ""
    )


def _draw_frame(canvas: _Canvas, axes: Axes, subtitle: str) -> None:
    area = axes.area
    canvas.text(area.left, 32, "Accuracy against speed on this machine", 25, _TEXT_COLOR)
    canvas.text(area.left, 66, subtitle, 16, _MUTED_COLOR)
    for percent in axes.percent_ticks():
        y = axes.y(percent)
        canvas.line([(area.left, y), (area.right, y)], _GRID_COLOR)
        canvas.text(area.left - 10, y, f"{percent:g} %", 16, _MUTED_COLOR, "rm")
    for ms in axes.time_ticks():
        x = axes.x(ms)
        canvas.line([(x, area.top), (x, area.bottom)], _GRID_COLOR)
        canvas.text(x, area.bottom + 18, f"{ms:g}", 16, _MUTED_COLOR, "mm")
    canvas.text(area.left - 85, area.top - 16, "top-1 on ImageNet, as published", 16, _TEXT_COLOR)
    canvas.text(area.right, area.bottom + 44, "milliseconds per image, measured here", 16, _TEXT_COLOR, "rm")
    _draw_legend(canvas, area.left, area.bottom + 80)


def _draw_legend(canvas: _Canvas, x: float, y: float) -> None:
    canvas.line([(x, y), (x + 30, y)], _FRONTIER_COLOR, 2)
    x = _draw_legend_text(canvas, x + 40, y, "frontier: none is both faster and more accurate")
    canvas.circle(x + 7, y, _POINT_COLOR, _POINT_COLOR)
    x = _draw_legend_text(canvas, x + 22, y, "fp32")
    canvas.square(x + 7, y, _POINT_COLOR, _POINT_COLOR)
    x = _draw_legend_text(canvas, x + 22, y, "int8, where it is proven (accuracy is that of fp32)")
    canvas.circle(x + 7, y, _POINT_COLOR, _BACKGROUND_COLOR)
    _draw_legend_text(canvas, x + 22, y, "timed with random weights")


def _draw_legend_text(canvas: _Canvas, x: float, y: float, words: str) -> float:
    """Write words, and return where the next ones may begin."""
    canvas.text(x, y, words, 15, _MUTED_COLOR)
    return x + canvas.text_width(words, 15) + 28


def _frontier_steps(axes: Axes, best: Sequence[ParetoPoint]) -> list[tuple[float, float]]:
    """Return the corners of the frontier: from each point on, its accuracy is the best until the next one's time."""
    places = [(axes.x(best[0].ms), axes.area.bottom)]
    for point in best:
        places += [(axes.x(point.ms), places[-1][1]), (axes.x(point.ms), axes.y(point.top1))]
    return [*places, (axes.area.right, places[-1][1])]


def _draw_marker(canvas: _Canvas, axes: Axes, point: ParetoPoint, is_best: bool) -> None:
    color = _FRONTIER_COLOR if is_best else _POINT_COLOR
    fill = _BACKGROUND_COLOR if point.weights == "random" else color
    (canvas.square if point.precision is Precision.INT8 else canvas.circle)(
        axes.x(point.ms), axes.y(point.top1), color, fill
    )


def _draw_labels(
    canvas: _Canvas, axes: Axes, ranked: Sequence[ParetoPoint], best: Sequence[ParetoPoint], lines: Sequence[Box]
) -> int:
    """Write the names beside their points, and return how many found no room."""
    size = 16 if len(ranked) <= 30 else 13
    places = [(axes.x(point.ms), axes.y(point.top1)) for point in ranked]
    words = [_label(point) for point in ranked]
    labels = [(x, y, canvas.text_width(text, size) + 6, size + 4.0) for (x, y), text in zip(places, words, strict=True)]
    dots = [
        Box(x - _MARKER_RADIUS - 2, y - _MARKER_RADIUS - 2, x + _MARKER_RADIUS + 2, y + _MARKER_RADIUS + 2)
        for x, y in places
    ]
    placements = place_labels(labels, axes.area, [*dots, *lines])
    for (x, y), place in zip(places, placements, strict=True):
        if place and place[1]:
            canvas.line([(x, y), place[0].nearest_point(x, y)], _POINT_COLOR)
    for point, text, place in zip(ranked, words, placements, strict=True):
        if place:
            color = _FRONTIER_COLOR if point in best else _MUTED_COLOR
            canvas.text(place[0].left + 3, (place[0].top + place[0].bottom) / 2, text, size, color)
    return placements.count(None)


def _label(point: ParetoPoint) -> str:
    name = point.name.removesuffix(".imagenet")
    return f"{name} int8" if point.precision is Precision.INT8 else name
