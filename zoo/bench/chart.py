"""The chart of `zoo bench --plot`: published accuracy over the milliseconds measured here, with the Pareto frontier.

matplotlib draws it on a figure of its own: without pyplot, a window, or settings that outlive the drawing. Nothing
else in `zoo` needs matplotlib, so this module is imported only where a chart was asked for.

Raises:
    MissingExtra: when imported without matplotlib.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from itertools import product
from pathlib import Path
from typing import Final

import numpy as np

from graft.errors import MissingExtra, RecipeError
from graft.storage.atomic_file import write_atomic
from graft.types import BoolArray, Float64Array
from zoo.bench.bench_result import BenchResult
from zoo.bench.machine import Machine
from zoo.bench.pareto import ParetoPoint, pareto_frontier, pareto_points
from zoo.catalog.backbone import Precision
from zoo.catalog.find import all_backbones

try:
    from matplotlib.axes import Axes
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, StrMethodFormatter
    from matplotlib.transforms import BboxBase
except ImportError:
    raise MissingExtra(
        "a chart needs matplotlib, which is not installed here. "
        'Run: pip install matplotlib, or pip install "keras-graft[train]", which brings it.'
    ) from None

Boxes = Float64Array  # [n,4]: left, bottom, right, top, in pixels

WIDTH, HEIGHT = 1500, 950  # pixels of the file
_DPI: Final = 100
_AREA: Final = (95 / WIDTH, 110 / HEIGHT, 1370 / WIDTH, 710 / HEIGHT)  # left, bottom, width, height of the plot
_FONT: Final = "DejaVu Sans"  # comes with matplotlib: the same on every machine
_TEXT_COLOR, _MUTED_COLOR, _GRID_COLOR, _BACKGROUND_COLOR = "#1f2328", "#59636e", "#e6e9ec", "#ffffff"
_FRONTIER_COLOR, _POINT_COLOR = "#0969da", "#8c959f"
_MARKER_RADIUS: Final = 9.0  # pixels, with some space around the marker
_MAX_LARGE_LABELS: Final = 30  # trunks up to which their names are written large
_MAX_PLAIN_DISTANCE: Final = 20  # pixels up to which a name needs no line to its marker
# Where a name may stand, the best places first: pixels from the marker, and degrees.
_LABEL_PLACES: Final = (*product((0,), (0, 180, 90, 270)), *product(range(6, 250, 11), range(0, 360, 15)))


def write_chart(path: Path, results: Iterable[BenchResult], machine: Machine) -> str:
    """Write the chart of `results`, measured on `machine`, as a PNG file; return a line that describes it.

    The same results give the same bytes.

    Raises:
        RecipeError: none of the results has a published accuracy, or the file cannot be written.
    """
    points = pareto_points(results, all_backbones())
    if not points:
        raise RecipeError(
            "there is nothing to draw: no image network whose accuracy is published was measured on this machine. "
            "`zoo list --kind image --sort top1` shows which are; run: zoo bench NAME --plot FILE.png"
        )
    canvas, unlabelled_count = draw_chart(points, machine)
    file = io.BytesIO()
    canvas.print_png(file, metadata={"Software": None})  # type: ignore[no-untyped-call]
    try:
        write_atomic(path, file.getvalue())
        path.chmod(0o644)  # it is to be shown to others
    except OSError as fault:
        raise RecipeError(f"{path} cannot be written ({fault.strerror}). Name another file with --plot.") from None
    trunks = "1 trunk" if len(points) == 1 else f"{len(points)} trunks"
    label_note = f"; {unlabelled_count} have no room for their names" if unlabelled_count else ""
    return f"{path}: {trunks}, {len(pareto_frontier(points))} of them on the frontier{_random_note(points)}{label_note}"


def draw_chart(points: Sequence[ParetoPoint], machine: Machine) -> tuple[FigureCanvasAgg, int]:
    """Return the canvas with the chart of one or more points, and how many points have no room for their names."""
    figure = Figure((WIDTH / _DPI, HEIGHT / _DPI), _DPI, facecolor=_BACKGROUND_COLOR)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes(_AREA)
    frontier = pareto_frontier(points)
    _set_up_axes(axes, points)
    _add_titles(axes, f"{machine}; one image alone on one thread{_random_note(points)}")
    _add_legend(axes)
    _draw_points(axes, points, frontier)
    return canvas, _label_points(axes, points, frontier)


def _random_note(points: Sequence[ParetoPoint]) -> str:
    """Return how many points were timed with random weights, whose accuracy is that of the pretrained ones."""
    count = sum(point.weights == "random" for point in points)
    if not count:
        return ""
    return f"; {'all' if count == len(points) else f'{count} of {len(points)}'} timed with random weights"


def _set_up_axes(axes: Axes, points: Sequence[ParetoPoint]) -> None:
    """Scale the axes, time logarithmically, with space around the points."""
    times, accuracies = sorted(point.ms for point in points), sorted(point.top1 for point in points)
    spread = max(1.15, (times[-1] / times[0]) ** 0.08)
    margin = max(1.0, (accuracies[-1] - accuracies[0]) * 0.1)
    axes.set_xscale("log")
    axes.set_xlim(times[0] / spread, times[-1] * spread)
    axes.set_ylim(accuracies[0] - margin, min(100.0, accuracies[-1] + margin))
    axes.xaxis.set_major_locator(_time_locator(*axes.get_xlim()))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_major_locator(MaxNLocator(10, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g} %"))
    axes.tick_params(length=0, pad=8, labelsize=11.5, labelcolor=_MUTED_COLOR, labelfontfamily=_FONT)
    axes.grid(color=_GRID_COLOR, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)


def _time_locator(low: float, high: float) -> LogLocator:
    """Return ticks at 1, 2, 5, 10, ... ms; finer if fewer than three of them are in the range."""
    coarse, fine = LogLocator(subs=(1, 2, 5)), LogLocator(subs=(1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9))
    return coarse if sum(low <= tick <= high for tick in coarse.tick_values(low, high)) > 2 else fine


def _add_titles(axes: Axes, subtitle: str) -> None:
    """Write title, subtitle and the names of the axes; positions are pixels from the plot's corners."""
    width, height = axes.bbox.width, axes.bbox.height
    for x, y, content, size, color, align in (
        (0, height + 98, "Accuracy against speed on this machine", 18.0, _TEXT_COLOR, "left"),
        (0, height + 64, subtitle, 11.5, _MUTED_COLOR, "left"),
        (-85, height + 16, "top-1 on ImageNet, as published", 11.5, _TEXT_COLOR, "left"),
        (width, -44, "milliseconds per image, measured here", 11.5, _TEXT_COLOR, "right"),
    ):
        # parse_math: a `$` in a processor's name begins no formula
        axes.annotate(
            content,
            (x, y),
            xycoords="axes pixels",
            color=color,
            fontsize=size,
            fontfamily=_FONT,
            ha=align,
            va="center",
            parse_math=False,
        )


def _add_legend(axes: Axes) -> None:
    line = Line2D([], [], color=_FRONTIER_COLOR, label="frontier: none is both faster and more accurate")
    markers = [
        Line2D([], [], ls="none", marker=marker, ms=9, mfc=fill, mec=_POINT_COLOR, mew=1.5, label=label)
        for marker, fill, label in (
            ("o", _POINT_COLOR, "fp32"),
            ("s", _POINT_COLOR, "int8, where it is proven (accuracy is that of fp32)"),
            ("o", _BACKGROUND_COLOR, "timed with random weights"),
        )
    ]
    axes.legend(
        handles=[line, *markers],
        loc="upper left",
        bbox_to_anchor=(-0.01, -0.08),
        ncols=4,
        frameon=False,
        labelcolor=_MUTED_COLOR,
        prop={"family": _FONT, "size": 11},
    )


def _draw_points(axes: Axes, points: Sequence[ParetoPoint], frontier: Sequence[ParetoPoint]) -> None:
    """Draw the markers, and the frontier as a line of steps."""
    axes.plot(*zip(*_frontier_corners(axes, frontier), strict=True), color=_FRONTIER_COLOR)
    for point in points:
        color = _FRONTIER_COLOR if point in frontier else _POINT_COLOR
        axes.plot(
            point.ms,
            point.top1,
            marker="s" if point.precision is Precision.INT8 else "o",
            ms=9,
            mfc=_BACKGROUND_COLOR if point.weights == "random" else color,
            mec=color,
            mew=1.5,
        )


def _frontier_corners(axes: Axes, frontier: Sequence[ParetoPoint]) -> list[tuple[float, float]]:
    """Return the corners of the frontier: each accuracy is the best until the time of the next point."""
    corners = [(frontier[0].ms, axes.get_ylim()[0])]
    for point in frontier:
        corners += [(point.ms, corners[-1][1]), (point.ms, point.top1)]
    return [*corners, (axes.get_xlim()[1], corners[-1][1])]


def _label_points(axes: Axes, points: Sequence[ParetoPoint], frontier: Sequence[ParetoPoint]) -> int:
    """Write the name of each point on a free place near it; return how many names found none.

    The names of the frontier come first: they get the best places.
    """
    size = 11.5 if len(points) <= _MAX_LARGE_LABELS else 9.0
    taken = _covered_boxes(axes, points, frontier)  # [n,4]
    unlabelled_count = 0
    for point in (*frontier, *(point for point in reversed(points) if point not in frontier)):
        color = _FRONTIER_COLOR if point in frontier else _MUTED_COLOR
        probe = axes.text(0, 0, _label(point), fontsize=size, fontfamily=_FONT, parse_math=False)
        extent = probe.get_window_extent()
        probe.remove()
        places = _label_boxes(axes.transData.transform((point.ms, point.top1)), extent.width + 6, extent.height)
        free = np.flatnonzero(_is_inside(places, axes.bbox) & ~_overlaps(places, taken))
        if len(free) == 0:
            unlabelled_count += 1
            continue
        box = places[free[0]]
        taken = np.vstack([taken, box])
        _write_label(axes, point, box, size, color, leader=_LABEL_PLACES[free[0]][0] > _MAX_PLAIN_DISTANCE)
    return unlabelled_count


def _label(point: ParetoPoint) -> str:
    name = point.name.removesuffix(".imagenet")
    return f"{name} int8" if point.precision is Precision.INT8 else name


def _covered_boxes(axes: Axes, points: Sequence[ParetoPoint], frontier: Sequence[ParetoPoint]) -> Boxes:
    """Return the boxes that markers and the frontier's line cover."""
    centers = axes.transData.transform([(point.ms, point.top1) for point in points])
    corners = axes.transData.transform(_frontier_corners(axes, frontier))
    markers = np.hstack([centers - _MARKER_RADIUS, centers + _MARKER_RADIUS])
    return np.vstack([markers, np.hstack([corners[:-1] - 2, corners[1:] + 2])])


def _label_boxes(center: Float64Array, width: float, height: float) -> Boxes:
    """Return where a label of that size in pixels may stand around `center`, float64 [2], the best place first."""
    distance, degrees = np.asarray(_LABEL_PLACES, np.float64).T
    reach = (_MARKER_RADIUS + 3 + distance)[:, None]
    direction = np.column_stack([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])
    half = np.asarray([width, height]) / 2
    middle = center + direction * (reach + half)
    return np.hstack([middle - half, middle + half])


def _is_inside(boxes: Boxes, area: BboxBase) -> BoolArray:
    """Return which boxes lie within `area`, bool [n]."""
    left, bottom, right, top = boxes.T
    inside: BoolArray = (area.x0 <= left) & (area.y0 <= bottom) & (right <= area.x1) & (top <= area.y1)
    return inside


def _overlaps(boxes: Boxes, others: Boxes) -> BoolArray:
    """Return which of `boxes` share a pixel with one of `others`, bool [n]."""
    left, bottom, right, top = boxes.T[:, :, None]
    other_left, other_bottom, other_right, other_top = others.T
    across = (left < other_right) & (other_left < right)
    overlapping: BoolArray = np.any(across & (bottom < other_top) & (other_bottom < top), axis=1)
    return overlapping


def _write_label(axes: Axes, point: ParetoPoint, box: Float64Array, size: float, color: str, *, leader: bool) -> None:
    """Write the name of a point into `box`, float64 [4]; `leader`: with a line from its nearest pixel to the marker."""
    start, end = box[:2], box[2:]
    marker = axes.transData.transform((point.ms, point.top1))
    nearest = np.clip((marker - start) / (end - start), 0, 1)
    line = {"arrowstyle": "-", "color": _POINT_COLOR, "linewidth": 0.8, "relpos": nearest, "shrinkA": 0, "shrinkB": 4}
    axes.annotate(
        _label(point),
        (point.ms, point.top1),
        tuple((start + end) / 2),
        textcoords="figure pixels",
        arrowprops=line if leader else None,
        color=color,
        fontsize=size,
        fontfamily=_FONT,
        ha="center",
        va="center",
        parse_math=False,
    )
