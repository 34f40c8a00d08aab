"""`zoo bench` on real trunks, and `zoo list --fast` after it. No time is asserted: only what is told of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from tests.zoo.bench.results import result
from zoo import trunk_cache, weights
from zoo.backbone import DEFAULT, DEFAULT_TEXT, Precision, get
from zoo.bench.chart import HIGH, WIDE
from zoo.bench.machine import this_machine
from zoo.bench.memory import remember
from zoo.cli import cli
from zoo.cores import cores
from zoo.errors import GraftError, MissingExtra


def zoo(*words: str) -> Result:
    return CliRunner().invoke(cli, words)


def test_both_precisions_of_a_real_backbone(shared_trunks: None, tmp_path: Path) -> None:
    picture = tmp_path / "out.png"
    ran = zoo("bench", DEFAULT, "--rounds", "1", "--json", "--plot", str(picture))
    assert ran.exit_code == 0, ran.output
    (measured,) = json.loads(ran.stdout)["measured"]
    assert (measured["name"], measured["weights"], measured["tokens"]) == (DEFAULT, "pretrained", None)
    assert [speed["precision"] for speed in measured["speeds"]] == ["fp32", "int8"]
    for speed in measured["speeds"]:
        assert {(one["batch"], one["threads"]) for one in speed["timings"]} == {
            (batch, threads) for batch in (1, 8) for threads in (1, cores())
        }
        assert all(one["rounds"] == [one["ms"]] and one["ms"] > 0 for one in speed["timings"])
        assert speed["memory"] > speed["megabytes"]
    assert len(measured["gain"]) == 2
    assert f"{picture}: 2 trunks" in ran.stderr
    with Image.open(picture) as image:
        assert (image.format, image.size) == ("PNG", (WIDE, HIGH))
        assert len(np.unique(np.asarray(image).reshape(-1, 3), axis=0)) > 50

    assert zoo("list", "--fast", "--names").stdout.split()[0] == DEFAULT
    assert zoo("bench").stdout.count(DEFAULT) == 2
    assert " ms in fp32, " in zoo("show", DEFAULT).stdout


def test_int8_is_built_where_that_is_asked_for_and_its_time_is_kept(
    shared_trunks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAFT_OFFLINE", "1")
    shutil.rmtree(trunk_cache.lookup(get(DEFAULT), Precision.INT8).folder)  # type: ignore[union-attr]
    ran = zoo("bench", DEFAULT, "--rounds", "1", "--build")
    assert ran.exit_code == 0, ran.output
    assert [line.split()[2] for line in ran.stdout.splitlines() if line.startswith(DEFAULT)] == ["fp32", "int8"]
    built = trunk_cache.lookup(get(DEFAULT), Precision.INT8)
    assert built is not None
    assert f"{built.facts['build_seconds']:.0f} s" in ran.stdout


@pytest.mark.slow  # two real builds
def test_random_weights_are_measured_and_never_cached() -> None:
    name = "mobilenet_v3_small.imagenet"
    ran = zoo("bench", name, "--random", "--rounds", "1")
    assert ran.exit_code == 0, ran.output
    rows = [line.split() for line in ran.stdout.splitlines() if line.startswith(name)]
    assert [row[1:3] for row in rows] == [["RANDOM", "fp32"], ["RANDOM", "int8"]]
    assert rows[0][-1] == "s"  # of building
    assert "the features mean nothing" in ran.stdout
    assert not trunk_cache.trunks().exists()
    assert weights.known_hash(get(name)) is None
    assert "none yet; run: zoo pull" in zoo("show", name).stdout
    assert "with random weights" in zoo("show", name).stdout
    assert " * " in zoo("list", name, "--fast").stdout


def test_what_cannot_be_measured_stops_nothing_else(shared_trunks: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAFT_OFFLINE", "1")
    shutil.rmtree(trunk_cache.lookup(get(DEFAULT), Precision.FP32).folder)  # type: ignore[union-attr]
    ran = zoo("bench", "vgg16", DEFAULT, "--rounds", "1")
    assert ran.exit_code == 1
    assert "1 of 2 could not be measured:\nvgg16.imagenet" in ran.stderr
    assert "GRAFT_OFFLINE" in ran.stderr
    assert ran.stdout.count(DEFAULT) == 1  # what is here, and no more, is measured
    alone = zoo("bench", "vgg16")
    assert isinstance(alone.exception, GraftError)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("bench", DEFAULT_TEXT, "--random"), "cannot be built with random weights"),
        (("bench", "resnet50.cv_imagenet", "--random"), "run: zoo bench resnet50.cv_imagenet"),
        (("bench", "siglip_base_patch16_224", "--random"), "are for the networks of keras.applications"),
        (("bench", "vgg16", "--random", "--build"), "choose one"),
        (("bench", "vgg16", "--plot", "out.jpg"), "name a .png file"),
        (("bench", "vgg16", "--plot", "no/such/folder/out.png"), "in a folder that is there"),
        (("bench", "vgg"), "Did you mean"),
        (("bench", "--plot", "out.png"), "there is nothing to draw"),
    ],
)
def test_what_cannot_be_done_is_said_at_once(words: tuple[str, ...], said: str) -> None:
    ran = zoo(*words)
    assert ran.exit_code != 0
    assert said in (str(ran.exception) if isinstance(ran.exception, GraftError) else ran.stderr)


def test_what_is_not_installed_is_said_before_anything_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.bench.child.NEEDED", ("numpy", "no_such_package"))
    ran = zoo("bench", "vgg16", "--random")
    assert isinstance(ran.exception, MissingExtra)
    assert "measuring needs no_such_package, not installed here" in str(ran.exception)
    assert "measures" in zoo("bench").stderr  # what is remembered can be shown


def test_nothing_measured_yet() -> None:
    assert "`zoo bench NAME` measures" in zoo("bench").stderr
    said = zoo("list", "--fast").stdout
    assert said.count("unmeasured") == len(said.split("\n\n")[0].splitlines()) - 1 + 1
    assert "not measured" in zoo("show", "vgg16").stdout


def test_the_fastest_here_come_first_and_the_unmeasured_last() -> None:
    machine = this_machine()
    for one in (
        result("vgg16.imagenet", fp32=80, int8=1),  # its int8 is unproven: fp32 counts
        result(DEFAULT_TEXT, tokens=128, fp32=90, int8=20),
        result("resnet50.imagenet", weights="random", fp32=30),
        result(DEFAULT, fp32=2),  # its int8, the default, is unmeasured
    ):
        remember(machine, one)
    names = zoo("list", "--fast", "--names").stdout.split()
    assert names[:3] == [DEFAULT_TEXT, "resnet50.imagenet", "vgg16.imagenet"]
    assert names[3:] == sorted(names[3:])
    said = zoo("list", "--fast", "--kind", "image").stdout
    rows = [line.split()[:3] for line in said.splitlines()[1:4]]
    assert rows[:2] == [["resnet50.imagenet", "30.00", "*"], ["vgg16.imagenet", "80.00", "224"]]
    assert rows[2][1] == "unmeasured"
    assert "random weights" in said
    facts = {fact["name"]: fact for fact in json.loads(zoo("list", "--fast", "--json").stdout)}
    assert facts["vgg16.imagenet"]["ms_here"] == 80
    assert facts[DEFAULT]["ms_here"] is None
    assert facts[DEFAULT]["measured_here"]["speeds"][0]["precision"] == "fp32"


def test_what_another_runtime_measured_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    remember(this_machine(), result("vgg16.imagenet", fp32=80))
    assert zoo("list", "--fast", "--names").stdout.split()[0] == "vgg16.imagenet"
    monkeypatch.setattr("zoo.bench.machine._runtime", lambda: "99.0")
    assert "80.00" not in zoo("list", "--fast").stdout


def test_rounds_that_differ_are_told() -> None:
    remember(this_machine(), result("vgg16.imagenet", fp32=80))
    assert "rounds of vgg16.imagenet differ up to 2.0 times" in zoo("bench").stdout
