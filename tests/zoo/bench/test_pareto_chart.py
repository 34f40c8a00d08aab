"""The points of the chart, the Pareto frontier, and where labels are placed."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from matplotlib.axes import Axes
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from PIL import Image

from tests.support.zoo.bench_results import MACHINE, result
from zoo.bench.bench_result import BenchResult, WeightsKind
from zoo.bench.chart import HEIGHT, WIDTH, draw_chart, write_chart
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
    def describe_chart(*measured: BenchResult) -> str:
        return write_chart(tmp_path / "chart.png", measured, MACHINE).partition("chart.png: ")[2]

    lite, vgg = result(LITE.name, fp32=9, int8=3), result(VGG.name, weights="random", fp32=80)
    assert describe_chart(lite, vgg) == "3 trunks, 1 of them on the frontier; 1 of 3 timed with random weights"
    assert describe_chart(vgg) == "1 trunk, 1 of them on the frontier; all timed with random weights"
    assert describe_chart(lite) == "2 trunks, 1 of them on the frontier"


NUMBERS = some.lists(some.tuples(some.integers(1, 9), some.integers(50, 59)), min_size=1, max_size=30)


@given(NUMBERS)
def test_pareto_frontier_is_what_nothing_dominates(numbers: list[tuple[int, int]]) -> None:
    found = [ParetoPoint(str(at), Precision.FP32, "pretrained", ms, top1) for at, (ms, top1) in enumerate(numbers)]
    best = pareto_frontier(found)

    def beats(a: ParetoPoint, b: ParetoPoint) -> bool:
        return a.ms <= b.ms and a.top1 >= b.top1

    assert all(a is b or not beats(a, b) for a in best for b in best)
    assert all(any(beats(a, b) for a in best) for b in found)


def test_chart_is_a_png_that_others_may_read(tmp_path: Path) -> None:
    write_chart(path := tmp_path / "chart.png", [result(LITE.name, fp32=9, int8=3)], MACHINE)
    assert path.stat().st_mode & 0o777 == 0o644
    with Image.open(path) as image:
        assert (image.format, image.size) == ("PNG", (WIDTH, HEIGHT))


def crowd(count: int) -> list[ParetoPoint]:
    random = np.random.default_rng(0)
    weights: tuple[WeightsKind, WeightsKind] = ("pretrained", "random")
    return [
        ParetoPoint(f"network_{at}.imagenet", Precision.FP32, weights[at % 2], float(ms), float(top1))
        for at, (ms, top1) in enumerate(zip(random.uniform(5, 50, count), random.uniform(60, 80, count), strict=True))
    ]


def chart_labels(points: list[ParetoPoint]) -> tuple[dict[str, Bbox], Axes, int]:
    """The pixels of each label, without the line that may lead from it to its marker."""
    canvas, unlabelled_count = draw_chart(points, MACHINE)
    (axes,) = canvas.figure.axes
    labels = [text for text in axes.texts if text.get_text().startswith("network")]
    return {text.get_text(): Text.get_window_extent(text) for text in labels}, axes, unlabelled_count


def test_chart_labels_overlap_nothing() -> None:
    points = crowd(45)
    labels, axes, unlabelled_count = chart_labels(points)
    assert len(labels) + unlabelled_count == len(points)
    assert unlabelled_count < 5
    boxes = list(labels.values())
    assert not any(one.overlaps(other) for at, one in enumerate(boxes) for other in boxes[:at])
    markers = axes.transData.transform([(point.ms, point.top1) for point in points])
    assert not any(box.contains(x, y) for box in boxes for x, y in markers)
    assert all(axes.bbox.contains(*corner) for box in boxes for corner in box.get_points())


def test_chart_label_of_a_lone_point_is_beside_it() -> None:
    (point,) = crowd(1)
    labels, axes, unlabelled_count = chart_labels([point])
    x, y = axes.transData.transform((point.ms, point.top1))
    assert unlabelled_count == 0
    assert abs(labels["network_0"].y0 + labels["network_0"].y1 - 2 * y) < 3
    assert min(abs(labels["network_0"].x0 - x), abs(labels["network_0"].x1 - x)) < 20


def test_chart_names_that_find_no_space_are_counted() -> None:
    points = [replace(point, name=f"network_{'x' * 300}_{at}") for at, point in enumerate(crowd(3))]
    labels, _, unlabelled_count = chart_labels(points)
    assert (len(labels), unlabelled_count) == (0, 3)


@pytest.mark.parametrize(
    ("times", "accuracies"),
    [([3.0], [75.0]), ([0.2, 900.0], [40.0, 91.0]), ([5.0, 5.1], [75.0, 99.9]), ([35.0, 95.0], [68.0, 75.0])],
)
def test_chart_axes_contain_every_point_and_have_ticks(times: list[float], accuracies: list[float]) -> None:
    points = [replace(crowd(1)[0], ms=ms, top1=top1) for ms, top1 in zip(times, accuracies, strict=True)]
    _, axes, _ = chart_labels(points)
    for values, (low, high), ticks in (
        (times, axes.get_xlim(), axes.get_xticks()),
        (accuracies, axes.get_ylim(), axes.get_yticks()),
    ):
        assert all(low < value < high for value in values)
        assert 3 <= sum(low <= tick <= high for tick in ticks) <= 13


def test_chart_bytes_are_the_same_in_two_processes(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from tests.support.zoo.bench_results import MACHINE, result\n"
        "from zoo.bench.chart import write_chart\n"
        "names = ('vgg16', 'resnet50', 'mobilenet_v2', 'densenet121')\n"
        "results = [result(f'{name}.imagenet', fp32=9 + at) for at, name in enumerate(names)]\n"
        "write_chart(Path(sys.argv[1]), results, MACHINE); print(*sys.modules)"
    )
    for name in ("one", "two"):
        ran = subprocess.run(
            [sys.executable, "-c", script, tmp_path / name], capture_output=True, text=True, check=True
        )
        assert "matplotlib.pyplot" not in ran.stdout.split()
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_chart_processor_name_is_no_formula() -> None:
    canvas, _ = draw_chart(crowd(2), replace(MACHINE, cpu="CPU $\\bad{ 5$"))
    canvas.draw()


def test_chart_without_matplotlib_says_what_to_install() -> None:
    script = "import sys; sys.modules['matplotlib'] = None; import zoo.bench.chart"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert ran.stderr.splitlines()[-1].startswith("graft.errors.MissingExtra: a chart needs matplotlib")
    assert "pip install matplotlib" in ran.stderr
