"""`zoo bench` on real trunks, and `zoo list --fast` after it. Times are not asserted, only that they are reported."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from graft.errors import GraftError, MissingExtra
from graft.runtime.cpu_threads import available_cores
from tests.support.zoo.bench_results import result
from zoo.bench.chart import HEIGHT, WIDTH
from zoo.bench.machine import this_machine
from zoo.bench.results_file import save_bench_result
from zoo.catalog.backbone import DEFAULT_IMAGE_BACKBONE, DEFAULT_TEXT_BACKBONE, Precision
from zoo.catalog.find import get_backbone
from zoo.cli.main import cli
from zoo.trunks import trunk_cache
from zoo.weights import weights_cache


def zoo(*words: str) -> Result:
    return CliRunner().invoke(cli, words)


def test_bench_command_times_fp32_and_int8(shared_trunks: None, tmp_path: Path) -> None:
    picture = tmp_path / "out.png"
    ran = zoo("bench", DEFAULT_IMAGE_BACKBONE, "--rounds", "1", "--json", "--plot", str(picture))
    assert ran.exit_code == 0, ran.output
    (measured,) = json.loads(ran.stdout)["measured"]
    assert (measured["name"], measured["weights"], measured["tokens"]) == (DEFAULT_IMAGE_BACKBONE, "pretrained", None)
    assert [speed["precision"] for speed in measured["speeds"]] == ["fp32", "int8"]
    for speed in measured["speeds"]:
        assert {(one["batch"], one["threads"]) for one in speed["timings"]} == {
            (batch, threads) for batch in (1, 8) for threads in (1, available_cores())
        }
        assert all(one["rounds"] == [one["ms"]] and one["ms"] > 0 for one in speed["timings"])
        assert speed["memory"] > speed["megabytes"]
    assert len(measured["gain"]) == 2
    assert f"{picture}: 2 trunks" in ran.stderr
    with Image.open(picture) as image:
        assert (image.format, image.size) == ("PNG", (WIDTH, HEIGHT))
        assert len(np.unique(np.asarray(image).reshape(-1, 3), axis=0)) > 50

    assert zoo("list", "--fast", "--names").stdout.split()[0] == DEFAULT_IMAGE_BACKBONE
    assert zoo("bench").stdout.count(DEFAULT_IMAGE_BACKBONE) == 2
    assert " ms in fp32, " in zoo("show", DEFAULT_IMAGE_BACKBONE).stdout


def test_bench_build_builds_int8_and_keeps_its_build_time(shared_trunks: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAFT_OFFLINE", "1")
    shutil.rmtree(trunk_cache.lookup_trunk(get_backbone(DEFAULT_IMAGE_BACKBONE), Precision.INT8).folder)  # type: ignore[union-attr]
    ran = zoo("bench", DEFAULT_IMAGE_BACKBONE, "--rounds", "1", "--build")
    assert ran.exit_code == 0, ran.output
    assert [line.split()[2] for line in ran.stdout.splitlines() if line.startswith(DEFAULT_IMAGE_BACKBONE)] == [
        "fp32",
        "int8",
    ]
    built = trunk_cache.lookup_trunk(get_backbone(DEFAULT_IMAGE_BACKBONE), Precision.INT8)
    assert built is not None
    assert f"{built.facts['build_seconds']:.0f} s" in ran.stdout


@pytest.mark.slow  # two real builds
def test_bench_random_weights_are_never_cached() -> None:
    name = "mobilenet_v3_small.imagenet"
    ran = zoo("bench", name, "--random", "--rounds", "1")
    assert ran.exit_code == 0, ran.output
    rows = [line.split() for line in ran.stdout.splitlines() if line.startswith(name)]
    assert [row[1:3] for row in rows] == [["RANDOM", "fp32"], ["RANDOM", "int8"]]
    assert rows[0][-1] == "s"  # of building
    assert "the features mean nothing" in ran.stdout
    assert not trunk_cache.trunks_folder().exists()
    assert weights_cache.expected_weights_hash(get_backbone(name)) is None
    assert "none yet; run: zoo pull" in zoo("show", name).stdout
    assert "with random weights" in zoo("show", name).stdout
    assert " * " in zoo("list", name, "--fast").stdout


def test_bench_failure_does_not_stop_the_other_backbones(shared_trunks: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAFT_OFFLINE", "1")
    shutil.rmtree(trunk_cache.lookup_trunk(get_backbone(DEFAULT_IMAGE_BACKBONE), Precision.FP32).folder)  # type: ignore[union-attr]
    ran = zoo("bench", "vgg16", DEFAULT_IMAGE_BACKBONE, "--rounds", "1")
    assert ran.exit_code == 1
    assert "1 of 2 could not be measured:\nvgg16.imagenet" in ran.stderr
    assert "GRAFT_OFFLINE" in ran.stderr
    assert ran.stdout.count(DEFAULT_IMAGE_BACKBONE) == 1  # what is here, and no more, is measured
    alone = zoo("bench", "vgg16")
    assert isinstance(alone.exception, GraftError)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("bench", DEFAULT_TEXT_BACKBONE, "--random"), "cannot be built with random weights"),
        (("bench", "resnet50.cv_imagenet", "--random"), "run: zoo bench resnet50.cv_imagenet"),
        (("bench", "siglip_base_patch16_224", "--random"), "works for the networks of keras.applications"),
        (("bench", "vgg16", "--random", "--build"), "choose one"),
        (("bench", "vgg16", "--plot", "out.jpg"), "name a .png file"),
        (("bench", "vgg16", "--plot", "no/such/folder/out.png"), "in a folder that exists"),
        (("bench", "vgg"), "Did you mean"),
        (("bench", "--plot", "out.png"), "there is nothing to draw"),
    ],
)
def test_bench_impossible_options_are_refused_at_once(words: tuple[str, ...], message: str) -> None:
    ran = zoo(*words)
    assert ran.exit_code != 0
    assert message in (str(ran.exception) if isinstance(ran.exception, GraftError) else ran.stderr)


def test_bench_missing_package_is_reported_before_building(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.bench.child_process.REQUIRED_PACKAGES", ("numpy", "no_such_package"))
    ran = zoo("bench", "vgg16", "--random")
    assert isinstance(ran.exception, MissingExtra)
    assert "zoo bench needs no_such_package, not installed here" in str(ran.exception)
    assert "run: zoo bench NAME" in zoo("bench").stderr  # saved results can be shown


def test_bench_plot_without_matplotlib_stops_before_measuring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.axes", None)
    monkeypatch.delitem(sys.modules, "zoo.bench.chart")
    ran = zoo("bench", "vgg16", "--random", "--plot", "out.png")
    assert isinstance(ran.exception, MissingExtra)
    assert "pip install matplotlib" in str(ran.exception)
    assert "building" not in ran.stderr


def test_bench_without_plot_does_not_import_matplotlib() -> None:
    save_bench_result(this_machine(), result("vgg16.imagenet", fp32=80))
    script = "import sys; from zoo.cli.main import cli; cli(['bench'], standalone_mode=False); print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "vgg16.imagenet" in ran.stdout
    assert not {name.split(".")[0] for name in ran.stdout.split()} & {"matplotlib", "PIL", "tensorflow"}


def test_bench_and_list_fast_without_results() -> None:
    assert "run: zoo bench NAME" in zoo("bench").stderr
    message = zoo("list", "--fast").stdout
    assert message.count("unmeasured") == len(message.split("\n\n")[0].splitlines())
    assert "not measured" in zoo("show", "vgg16").stdout


def test_list_fast_puts_the_fastest_first_and_unmeasured_last() -> None:
    machine = this_machine()
    for one in (
        result("vgg16.imagenet", fp32=80, int8=1),  # its int8 is unproven: fp32 counts
        result(DEFAULT_TEXT_BACKBONE, tokens=128, fp32=90, int8=20),
        result("resnet50.imagenet", weights="random", fp32=30),
        result(DEFAULT_IMAGE_BACKBONE, fp32=2),  # its int8, the default, is unmeasured
    ):
        save_bench_result(machine, one)
    names = zoo("list", "--fast", "--names").stdout.split()
    assert names[:3] == [DEFAULT_TEXT_BACKBONE, "resnet50.imagenet", "vgg16.imagenet"]
    assert names[3:] == sorted(names[3:])
    message = zoo("list", "--fast", "--kind", "image").stdout
    rows = [line.split()[:3] for line in message.splitlines()[1:4]]
    assert rows[:2] == [["resnet50.imagenet", "30.00", "*"], ["vgg16.imagenet", "80.00", "224"]]
    assert rows[2][1] == "unmeasured"
    assert "random weights" in message
    facts = {fact["name"]: fact for fact in json.loads(zoo("list", "--fast", "--json").stdout)}
    assert facts["vgg16.imagenet"]["ms_here"] == 80
    assert facts[DEFAULT_IMAGE_BACKBONE]["ms_here"] is None
    assert facts[DEFAULT_IMAGE_BACKBONE]["measured_here"]["speeds"][0]["precision"] == "fp32"


def test_bench_results_of_another_runtime_version_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    save_bench_result(this_machine(), result("vgg16.imagenet", fp32=80))
    assert zoo("list", "--fast", "--names").stdout.split()[0] == "vgg16.imagenet"
    monkeypatch.setattr("zoo.bench.machine._onnxruntime_version", lambda: "99.0")
    assert "80.00" not in zoo("list", "--fast").stdout


def test_bench_reports_rounds_that_differ() -> None:
    save_bench_result(this_machine(), result("vgg16.imagenet", fp32=80))
    assert "rounds of vgg16.imagenet differ up to 2.0 times" in zoo("bench").stdout
