"""Which points the chart has, which are the frontier, and where labels go."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as some

from tests.support.zoo.bench_results import MACHINE, result
from zoo.bench.bench_result import BenchResult
from zoo.bench.chart import write_chart
from zoo.bench.chart_layout import Axes, Box, line_boxes, place_labels
from zoo.bench.pareto import ParetoPoint, pareto_frontier, pareto_points
from zoo.catalog.backbone import DEFAULT_IMAGE_BACKBONE, DEFAULT_TEXT_BACKBONE, Precision
from zoo.catalog.find import get_backbone

LITE, VGG, TEXT = get_backbone(DEFAULT_IMAGE_BACKBONE), get_backbone("vgg16"), get_backbone(DEFAULT_TEXT_BACKBONE)


def test_pareto_points_have_int8_only_where_proven() -> None:
    measured = [result(LITE.name, fp32=9, int8=3), result(VGG.name, weights="random", fp32=80, int8=20)]
    assert pareto_points(measured, (LITE, VGG)) == (
        ParetoPoint(LITE.name, Precision.INT8, "pretrained", 3, 75.1),
        ParetoPoint(LITE.name, Precision.FP32, "pretrained", 9, 75.1),
        ParetoPoint(VGG.name, Precision.FP32, "random", 80, 71.3),
    )


def test_pareto_points_leave_out_texts_and_unknown_accuracies() -> None:
    measured = [result(TEXT.name, tokens=128, int8=5), result(VGG.name, fp32=80), result("gone.imagenet", fp32=1)]
    assert pareto_points(measured, (TEXT, replace(VGG, top1=None))) == ()


def test_pareto_chart_says_how_many_have_random_weights(tmp_path: Path) -> None:
    def said(*measured: BenchResult) -> str:
        return write_chart(tmp_path / "chart.png", measured, MACHINE).partition("chart.png: ")[2]

    lite, vgg = result(LITE.name, fp32=9, int8=3), result(VGG.name, weights="random", fp32=80)
    assert said(lite, vgg) == "3 trunks, 1 of them on the frontier; 1 of 3 timed with random weights"
    assert said(vgg) == "1 trunk, 1 of them on the frontier; all timed with random weights"
    assert said(lite) == "2 trunks, 1 of them on the frontier"
    assert (tmp_path / "chart.png").stat().st_mode & 0o777 == 0o644  # it is to be shown to others


NUMBERS = some.lists(some.tuples(some.integers(1, 9), some.integers(50, 59)), min_size=1, max_size=30)


@given(NUMBERS)
def test_pareto_frontier_is_what_nothing_dominates(numbers: list[tuple[int, int]]) -> None:
    found = [ParetoPoint(str(at), Precision.FP32, "pretrained", ms, top1) for at, (ms, top1) in enumerate(numbers)]
    best = pareto_frontier(found)

    def beats(a: ParetoPoint, b: ParetoPoint) -> bool:
        return a.ms <= b.ms and a.top1 >= b.top1

    assert all(a is b or not beats(a, b) for a in best for b in best)
    assert all(any(beats(a, b) for a in best) for b in found)


def test_chart_labels_overlap_nothing() -> None:
    random = np.random.default_rng(0)
    area = Box(0, 0, 900, 600)
    spots = [(float(x), float(y)) for x, y in random.uniform((50, 50), (850, 550), (45, 2))]
    dots = [Box(x - 7, y - 7, x + 7, y + 7) for x, y in spots]
    lines = line_boxes([(0, 300), (450, 300), (450, 100)])
    found = place_labels([(x, y, 100, 16) for x, y in spots], area, [*dots, *lines])
    boxes = [place[0] for place in found if place]
    assert len(boxes) == len(spots)
    assert not any(a.overlaps(b) for at, a in enumerate(boxes) for b in boxes[:at])
    assert not any(a.overlaps(b) for a in boxes for b in (*dots, *lines))
    assert all(box.is_inside(area) for box in boxes)


def test_chart_label_without_space_is_left_out() -> None:
    assert place_labels([(5, 5, 100, 16)], Box(0, 0, 50, 10), []) == [None]


def test_chart_axes_contain_every_point() -> None:
    area = Box(100, 50, 900, 600)
    for ms, percent in (([3.0], [75.0]), ([0.2, 900.0], [40.0, 91.0]), ([5.0, 5.1], [75.0, 75.1])):
        axes = Axes.from_values(area, ms, percent)
        assert all(area.left < axes.x(one) < area.right for one in ms)
        assert all(area.top < axes.y(one) < area.bottom for one in percent)
        assert all(area.left <= axes.x(one) <= area.right for one in axes.time_ticks())
        assert 2 <= len(axes.percent_ticks()) <= 11
