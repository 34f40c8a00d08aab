"""Which points the chart has, which are the frontier, and where labels go."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as some

from tests.zoo.bench.results import MACHINE, result
from zoo.backbone import DEFAULT, DEFAULT_TEXT, Precision, get
from zoo.bench.axes import Axes
from zoo.bench.chart import draw
from zoo.bench.frontier import Point, frontier, points
from zoo.bench.labels import Box, along, placed
from zoo.bench.speed import Result

LITE, VGG, TEXT = get(DEFAULT), get("vgg16"), get(DEFAULT_TEXT)


def test_int8_is_a_point_only_where_it_is_proven() -> None:
    measured = [result(LITE.name, fp32=9, int8=3), result(VGG.name, weights="random", fp32=80, int8=20)]
    assert points(measured, (LITE, VGG)) == (
        Point(LITE.name, Precision.INT8, "pretrained", 3, 75.1),
        Point(LITE.name, Precision.FP32, "pretrained", 9, 75.1),
        Point(VGG.name, Precision.FP32, "random", 80, 71.3),
    )


def test_texts_unpublished_accuracies_and_unknown_names_are_no_points() -> None:
    measured = [result(TEXT.name, tokens=128, int8=5), result(VGG.name, fp32=80), result("gone.imagenet", fp32=1)]
    assert points(measured, (TEXT, replace(VGG, top1=None))) == ()


def test_the_chart_says_how_many_were_timed_with_random_weights(tmp_path: Path) -> None:
    def said(*measured: Result) -> str:
        return draw(tmp_path / "chart.png", measured, MACHINE).partition("chart.png: ")[2]

    lite, vgg = result(LITE.name, fp32=9, int8=3), result(VGG.name, weights="random", fp32=80)
    assert said(lite, vgg) == "3 trunks, 1 of them on the frontier; 1 of 3 timed with random weights"
    assert said(vgg) == "1 trunk, 1 of them on the frontier; all timed with random weights"
    assert said(lite) == "2 trunks, 1 of them on the frontier"
    assert (tmp_path / "chart.png").stat().st_mode & 0o777 == 0o644  # it is to be shown to others


NUMBERS = some.lists(some.tuples(some.integers(1, 9), some.integers(50, 59)), min_size=1, max_size=30)


@given(NUMBERS)
def test_the_frontier_is_what_nothing_beats(numbers: list[tuple[int, int]]) -> None:
    found = [Point(str(at), Precision.FP32, "pretrained", ms, top1) for at, (ms, top1) in enumerate(numbers)]
    best = frontier(found)

    def beats(a: Point, b: Point) -> bool:
        return a.ms <= b.ms and a.top1 >= b.top1

    assert all(a is b or not beats(a, b) for a in best for b in best)
    assert all(any(beats(a, b) for a in best) for b in found)


def test_labels_are_on_no_other_and_on_no_point_and_no_line() -> None:
    random = np.random.default_rng(0)
    area = Box(0, 0, 900, 600)
    spots = [(float(x), float(y)) for x, y in random.uniform((50, 50), (850, 550), (45, 2))]
    dots = [Box(x - 7, y - 7, x + 7, y + 7) for x, y in spots]
    lines = along([(0, 300), (450, 300), (450, 100)])
    found = placed([(x, y, 100, 16) for x, y in spots], area, [*dots, *lines])
    boxes = [place[0] for place in found if place]
    assert len(boxes) == len(spots)
    assert not any(a.meets(b) for at, a in enumerate(boxes) for b in boxes[:at])
    assert not any(a.meets(b) for a in boxes for b in (*dots, *lines))
    assert all(box.within(area) for box in boxes)


def test_a_label_without_room_is_none() -> None:
    assert placed([(5, 5, 100, 16)], Box(0, 0, 50, 10), []) == [None]


def test_axes_hold_every_point_and_lines_lie_between_them() -> None:
    area = Box(100, 50, 900, 600)
    for ms, percent in (([3.0], [75.0]), ([0.2, 900.0], [40.0, 91.0]), ([5.0, 5.1], [75.0, 75.1])):
        axes = Axes.around(area, ms, percent)
        assert all(area.left < axes.x(one) < area.right for one in ms)
        assert all(area.top < axes.y(one) < area.bottom for one in percent)
        assert all(area.left <= axes.x(one) <= area.right for one in axes.times())
        assert 2 <= len(axes.percents()) <= 11
