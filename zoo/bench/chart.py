"""The chart of `zoo bench --plot`: published accuracy over milliseconds here, as a PNG, with the frontier marked."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from zoo.backbone import Precision, catalog
from zoo.bench.axes import Axes
from zoo.bench.frontier import Point, frontier, points
from zoo.bench.labels import Box, along, placed
from zoo.bench.machine import Machine
from zoo.bench.speed import Result
from zoo.errors import RecipeError
from zoo.files import write_whole

WIDE, HIGH = 1500, 950  # pixels of the file
_FINE: Final = 2  # drawn so many times as large, then made smaller: smooth edges
_AREA: Final = Box(95, 130, 1465, 840)
_DOT: Final = 7
_INK, _SOFT, _FAINT, _PAPER = "#1f2328", "#59636e", "#e6e9ec", "#ffffff"
_BEST, _OTHER = "#0969da", "#8c959f"


def draw(path: Path, results: Iterable[Result], machine: Machine) -> str:
    """Write the chart of what was measured on `machine`, and return a line that says what is in it.

    Raises:
        RecipeError: nothing measured has a published accuracy, or the file cannot be written.
    """
    shown = points(results, catalog())
    if not shown:
        raise RecipeError(
            "there is nothing to draw: no image network whose accuracy is published was measured on this machine. "
            "`zoo list --kind image --sort top1` shows which are; run: zoo bench NAME --plot FILE.png"
        )
    file = io.BytesIO()
    image, missing = _painted(shown, machine)
    image.save(file, "PNG")
    try:
        write_whole(path, file.getvalue())
        path.chmod(0o644)  # it is to be shown to others
    except OSError as fault:
        raise RecipeError(f"{path} cannot be written ({fault.strerror}). Name another file with --plot.") from None
    unnamed = f"; {missing} have no room for their names" if missing else ""
    trunks = "1 trunk" if len(shown) == 1 else f"{len(shown)} trunks"
    return f"{path}: {trunks}, {len(frontier(shown))} of them on the frontier{_random(shown)}{unnamed}"


def _painted(shown: Sequence[Point], machine: Machine) -> tuple[Image.Image, int]:
    """Return the picture, and how many points have no label."""
    image = Image.new("RGB", (WIDE * _FINE, HIGH * _FINE), _PAPER)
    pen = _Pen(image)
    axes = Axes.around(_AREA, [point.ms for point in shown], [point.top1 for point in shown])
    best = frontier(shown)
    _frame(pen, axes, f"{machine}; one image alone on one thread{_random(shown)}")
    stairs = _stairs(axes, best)
    pen.line(stairs, _BEST, 2)
    for point in shown:
        _mark(pen, axes, point, point in best)
    ranked = (*best, *(point for point in reversed(shown) if point not in best))
    missing = _names(pen, axes, ranked, best, along(stairs))
    return image.resize((WIDE, HIGH), Image.Resampling.LANCZOS), missing


class _Pen:
    """Draws in the pixels of the file, whatever they are drawn in."""

    def __init__(self, image: Image.Image) -> None:
        self._draw = ImageDraw.Draw(image)

    def line(self, places: Sequence[tuple[float, float]], color: str, width: float = 1) -> None:
        self._draw.line(
            [(x * _FINE, y * _FINE) for x, y in places], fill=color, width=round(width * _FINE), joint="curve"
        )

    def dot(self, x: float, y: float, color: str, inside: str) -> None:
        self._draw.ellipse(self._square(x, y), fill=inside, outline=color, width=2 * _FINE)

    def square(self, x: float, y: float, color: str, inside: str) -> None:
        self._draw.rectangle(self._square(x, y), fill=inside, outline=color, width=2 * _FINE)

    def text(self, x: float, y: float, words: str, size: float, color: str, anchor: str = "lm") -> None:
        self._draw.text((x * _FINE, y * _FINE), words, fill=color, font=_font(size), anchor=anchor)

    def wide(self, words: str, size: float) -> float:
        return float(self._draw.textlength(words, font=_font(size))) / _FINE

    def _square(self, x: float, y: float) -> tuple[float, float, float, float]:
        return ((x - _DOT) * _FINE, (y - _DOT) * _FINE, (x + _DOT) * _FINE, (y + _DOT) * _FINE)


def _font(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return Pillow's own font: it is the same on every machine."""
    return ImageFont.load_default(size * _FINE)


def _random(shown: Sequence[Point]) -> str:
    """Say how many were timed with random weights, which are as fast, and whose accuracy is that of the real ones."""
    count = sum(point.weights == "random" for point in shown)
    return (
        f"; {'all' if count == len(shown) else f'{count} of {len(shown)}'} timed with random weights" if count else ""
    )


def _frame(pen: _Pen, axes: Axes, how: str) -> None:
    area = axes.area
    pen.text(area.left, 32, "Accuracy against speed on this machine", 25, _INK)
    pen.text(area.left, 66, how, 16, _SOFT)
    for percent in axes.percents():
        y = axes.y(percent)
        pen.line([(area.left, y), (area.right, y)], _FAINT)
        pen.text(area.left - 10, y, f"{percent:g} %", 16, _SOFT, "rm")
    for ms in axes.times():
        x = axes.x(ms)
        pen.line([(x, area.top), (x, area.bottom)], _FAINT)
        pen.text(x, area.bottom + 18, f"{ms:g}", 16, _SOFT, "mm")
    pen.text(area.left - 85, area.top - 16, "top-1 on ImageNet, as published", 16, _INK)
    pen.text(area.right, area.bottom + 44, "milliseconds per image, measured here", 16, _INK, "rm")
    _key(pen, area.left, area.bottom + 80)


def _key(pen: _Pen, x: float, y: float) -> None:
    pen.line([(x, y), (x + 30, y)], _BEST, 2)
    x = _said(pen, x + 40, y, "frontier: none is both faster and more accurate")
    pen.dot(x + 7, y, _OTHER, _OTHER)
    x = _said(pen, x + 22, y, "fp32")
    pen.square(x + 7, y, _OTHER, _OTHER)
    x = _said(pen, x + 22, y, "int8, where it is proven (accuracy is that of fp32)")
    pen.dot(x + 7, y, _OTHER, _PAPER)
    _said(pen, x + 22, y, "timed with random weights")


def _said(pen: _Pen, x: float, y: float, words: str) -> float:
    """Write words, and return where the next ones may begin."""
    pen.text(x, y, words, 15, _SOFT)
    return x + pen.wide(words, 15) + 28


def _stairs(axes: Axes, best: Sequence[Point]) -> list[tuple[float, float]]:
    """Return the corners of the frontier: from each point on, its accuracy is the best until the next one's time."""
    places = [(axes.x(best[0].ms), axes.area.bottom)]
    for point in best:
        places += [(axes.x(point.ms), places[-1][1]), (axes.x(point.ms), axes.y(point.top1))]
    return [*places, (axes.area.right, places[-1][1])]


def _mark(pen: _Pen, axes: Axes, point: Point, is_best: bool) -> None:
    color = _BEST if is_best else _OTHER
    inside = _PAPER if point.weights == "random" else color
    (pen.square if point.precision is Precision.INT8 else pen.dot)(axes.x(point.ms), axes.y(point.top1), color, inside)


def _names(pen: _Pen, axes: Axes, ranked: Sequence[Point], best: Sequence[Point], lines: Sequence[Box]) -> int:
    """Write the names beside their points, and return how many found no room."""
    size = 16 if len(ranked) <= 30 else 13
    places = [(axes.x(point.ms), axes.y(point.top1)) for point in ranked]
    words = [_name(point) for point in ranked]
    wanted = [(x, y, pen.wide(text, size) + 6, size + 4.0) for (x, y), text in zip(places, words, strict=True)]
    dots = [Box(x - _DOT - 2, y - _DOT - 2, x + _DOT + 2, y + _DOT + 2) for x, y in places]
    found = placed(wanted, axes.area, [*dots, *lines])
    for (x, y), place in zip(places, found, strict=True):
        if place and place[1]:
            pen.line([(x, y), place[0].nearest(x, y)], _OTHER)
    for point, text, place in zip(ranked, words, found, strict=True):
        if place:
            color = _BEST if point in best else _SOFT
            pen.text(place[0].left + 3, (place[0].top + place[0].bottom) / 2, text, size, color)
    return found.count(None)


def _name(point: Point) -> str:
    name = point.name.removesuffix(".imagenet")
    return f"{name} int8" if point.precision is Precision.INT8 else name
