"""Recipes: model names, ranges, warnings."""

import math
from pathlib import Path

import pytest

from finetune.option_fields import option_fields
from finetune.plan import make_plan
from finetune.recipe import Depth, Recipe, TrainingOptions, derive_model_name
from graft.errors import RecipeError


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("photos", "photos"),
        ("a/b/My Photos/", "my-photos"),
        ("x/Blümchen (2024).CSV", "blumchen-2024"),
        ("sample:digits", "digits"),
        ("v1.2", "v1.2"),
        ("_hidden_", "hidden"),
    ],
)
def test_model_name_follows_the_data(data: str, name: str) -> None:
    assert derive_model_name(data) == name == Recipe(data=data).name


def test_model_name_of_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "Cats").mkdir()
    monkeypatch.chdir(tmp_path / "Cats")
    assert Recipe(data=".").name == "cats"


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"name": "Bad/Name"}, "--name"),
        ({"name": "../up"}, "--name"),
        ({"data": "日本"}, "--name"),
        ({"val": 0.0}, "--val"),
        ({"test": 1.0}, "--test"),
        ({"test": float("nan")}, "--test"),
        ({"val": 0.5, "test": 0.5}, "leave nothing"),
        ({"max_bad": -0.1}, "--max-bad"),
        ({"seed": -1}, "--seed"),
    ],
)
def test_invalid_recipe_is_refused_with_its_option(options: dict, word: str) -> None:
    with pytest.raises(RecipeError, match=word):
        Recipe(**{"data": "photos", **options})


def test_probe_warns_about_unused_training_options(photos: Path) -> None:
    unused = TrainingOptions(epochs=3, augment=False)
    probe, deeper = (Recipe(data=str(photos), training=unused, depth=depth) for depth in (Depth.PROBE, Depth.TOP))
    assert any("--epochs, --no-augment" in warning for warning in make_plan(probe).warnings())
    assert make_plan(deeper).warnings() == make_plan(Recipe(data=str(photos), depth=Depth.TOP)).warnings()


def test_range_of_every_numeric_option_is_checked() -> None:
    """Limits are allowed unless the range excludes them; values outside are refused, with the option's name."""
    for option in option_fields(Recipe).values():
        if option.allowed is None:
            continue
        owner = TrainingOptions if option.name in option_fields(TrainingOptions) else Recipe
        more = {} if owner is TrainingOptions else {"data": "photos", "depth": Depth.AUTO}
        outside = [option.allowed.low - 1, math.nan]
        outside += [option.allowed.low] if option.allowed.exclusive else []
        outside += [option.allowed.high + 1] if option.allowed.high < math.inf else []
        for value in outside:
            with pytest.raises(RecipeError, match=f"{option.flag} is {value}; allowed: "):
                owner(**more, **{option.name: value})
        if not option.allowed.exclusive:
            others = {"val": 0.2, "test": 0.2} if owner is Recipe else {}
            assert getattr(owner(**(others | more | {option.name: option.allowed.low})), option.name) is not None


def test_every_default_is_in_its_range() -> None:
    for option in option_fields(Recipe).values():
        assert option.allowed is None or option.default is None or option.default in option.allowed, option.name
