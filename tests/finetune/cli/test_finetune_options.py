"""The options of `finetune`: they reach the recipe; subcommands, recipe files, progress as JSON Lines."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from finetune import recipe_toml
from finetune.cli.main import cli
from finetune.cli.options import OPTION_SECTIONS
from finetune.recipe import Recipe
from graft.bundle.open_bundle import open_bundle
from tests.support.class_folders import fill
from tests.support.commands import RunCommand


def recipe_of_command(monkeypatch: pytest.MonkeyPatch, finetune: RunCommand, *arguments: object) -> Recipe:
    """The recipe that a command line makes; nothing is trained."""
    recipes: list[Recipe] = []

    class Enough(SystemExit):
        pass

    def record(recipe: Recipe, *_: object) -> None:
        recipes.append(recipe)
        raise Enough(0)

    monkeypatch.setattr("finetune.train", record)
    result = finetune(*arguments)
    assert result.code == 0, result.err
    return recipes[0]


EVERY = {
    "--task": ("classify", "task"),
    "--label": ("stars", "label"),
    "--text": ("review", "text"),
    "--split-column": ("fold", "split_column"),
    "--sheet": ("2024", "sheet"),
    "--val": (0.1, "val"),
    "--test": (0.3, "test"),
    "--max-bad": (0.5, "max_bad"),
    "--seed": (7, "seed"),
    "--name": ("flowers", "name"),
    "--models": ("shelf", "models"),
    "--backbone": ("mobilenet_v2", "backbone"),
    "--precision": ("int8", "precision"),
    "--unknown-at": (0.95, "unknown_at"),
    "--tune": (5, "tune"),
    "--depth": ("auto", "depth"),
    "--budget": ("2m", "budget"),
    "--epochs": (4, "epochs"),
    "--batch": (16, "batch"),
    "--rate": (0.001, "rate"),
    "--layer-decay": (0.8, "layer_decay"),
    "--weight-decay": (0.01, "weight_decay"),
    "--smoothing": (0.05, "smoothing"),
    "--cut": ("block6a", "cut"),
    "--size": (128, "size"),
    "--views": (3, "views"),
    "--rank": (4, "rank"),
    "--patience": (2, "patience"),
    "--tensorboard": ("logs", "tensorboard"),
}
FLAGS = {"--no-samples": ("own_samples", False), "--no-augment": ("augment", False), "--resume": ("resume", True)}


def test_every_option_reaches_the_recipe(monkeypatch: pytest.MonkeyPatch, finetune: RunCommand) -> None:
    words = [word for option, (value, _) in EVERY.items() for word in (option, value)]
    recipe = recipe_of_command(monkeypatch, finetune, "d.csv", *words, *FLAGS)
    expected = {field: value for value, field in EVERY.values()} | dict(FLAGS.values())
    assert recipe == recipe_toml.recipe_from_values({"data": "d.csv", **expected})
    known = {name for _, options in OPTION_SECTIONS for option in options for name in option.opts}
    assert known - EVERY.keys() - FLAGS.keys() == {"--text-b", "--recipe", "--progress", "--json"}


def test_recipe_without_options_is_the_default(monkeypatch: pytest.MonkeyPatch, finetune: RunCommand) -> None:
    assert recipe_of_command(monkeypatch, finetune, "d.csv") == Recipe(data="d.csv")


def test_command_line_overrides_the_recipe_file(
    monkeypatch: pytest.MonkeyPatch, finetune: RunCommand, tmp_path: Path
) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "r.toml").write_text('data = "photos"\nseed = 3\ndepth = "top"\nepochs = 9\naugment = false\n')
    recipe = recipe_of_command(monkeypatch, finetune, "--recipe", "sub/r.toml", "--epochs", 2, "--depth", "full")
    assert (recipe.data, recipe.seed, recipe.depth) == ("sub/photos", 3, "full")
    assert (recipe.training.epochs, recipe.training.augment) == (2, False)
    assert recipe_of_command(monkeypatch, finetune, "other", "--recipe", "sub/r.toml").data == "other"


def test_invalid_recipe_file_is_one_clear_error(finetune: RunCommand, tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text('data = "photos"\nepoch = 3\n')
    for arguments, word in ((["--recipe", "r.toml"], "mean 'epochs'?"), (["a", "--recipe", "no.toml"], "no.toml")):
        result = finetune(*arguments)
        assert (result.code, result.out) == (1, "")
        assert result.err.startswith("error: ")
        assert word in result.err
    assert finetune("photos", "--depth", "auto", "--budget", "soon").code == 1


@pytest.mark.parametrize("arguments", [[], ["--seed", 1], ["--json"]])
def test_missing_data_argument_is_wrong_usage(finetune: RunCommand, arguments: list) -> None:
    result = finetune(*arguments)
    assert result.code == 2
    assert "DATA" in result.err
    assert "--help" in result.err


@pytest.mark.parametrize("word", ["--help", "-h"])
def test_finetune_help_shows_options_and_commands(finetune: RunCommand, word: str) -> None:
    result = finetune(word)
    assert result.code == 0
    for part in ("Data:", "Training:", "Commands:", "  check ", "  add ", "./add", "finetune add", "[check|add]"):
        assert part in result.out
    assert "\b" not in result.out
    for option in (*EVERY, *FLAGS):
        assert f"{option}" in result.out


def test_subcommands_have_their_own_help(finetune: RunCommand) -> None:
    for name in cli.commands:
        result = finetune(name, "--help")
        assert (result.code, result.err) == (0, "")
        assert f"finetune {name} [OPTIONS] DATA" in result.out.splitlines()[0]
        assert finetune(name).code == 2
        assert finetune(name, "-h").out == result.out


def test_folder_named_like_a_subcommand_is_reached_by_its_path(
    finetune: RunCommand, photos: Path, tmp_path: Path
) -> None:
    shutil.move(photos, tmp_path / "add")
    assert finetune("./add", "--json").code == 0
    result = finetune("add")
    assert result.code == 2
    assert "finetune add" in result.err


def test_options_may_precede_the_data(finetune: RunCommand, photos: Path) -> None:
    assert json.loads(finetune("--json", "--seed", 5, photos).out)["model"] == "photos"


def lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def test_progress_json_lines(finetune: RunCommand, photos: Path) -> None:
    result = finetune(photos, "--progress", "json", "--json")
    assert json.loads(result.out)["version"] == 1
    events = lines(result.err)
    assert {"event": "start", "what": "features", "total": 24} in events
    ends = [one for one in events if one["event"] == "end"]
    assert ("features", 24, True) in [(one["what"], one["done"], one["whole"]) for one in ends]
    assert any("24 extracted" in one["text"] for one in events if one["event"] == "say")


def test_progress_json_lines_include_errors(finetune: RunCommand, tmp_path: Path) -> None:
    fill(tmp_path / "photos", each=1)
    result = finetune("photos", "--progress", "json")
    assert (result.code, result.out) == (1, "")
    assert lines(result.err)[-1]["event"] == "error"
    assert "every class needs" in lines(result.err)[-1]["text"]


def test_progress_none_prints_only_errors(finetune: RunCommand, photos: Path, tmp_path: Path) -> None:
    result = finetune(photos, "--progress", "none")
    assert (result.code, result.err) == (0, "")
    assert finetune("nowhere", "--progress", "none").err.startswith("error: ")
    open_bundle(tmp_path / "models" / "photos" / "1")
