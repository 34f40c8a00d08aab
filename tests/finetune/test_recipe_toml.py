"""A recipe as TOML, as a mapping and as a dataclass: one and the same."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

import finetune
from finetune import DataOptions, Depth, Recipe, Task, TrainingOptions
from finetune.data.dataset import Dataset, LabeledSample
from finetune.recipe_toml import KEY_SPECS, parse_duration, recipe_from_toml, recipe_from_values, recipe_to_toml
from graft.errors import RecipeError
from zoo.catalog.backbone import Precision

FULL = Recipe(
    data="reviews.csv",
    data_options=DataOptions(text=("a", "b"), label="stars", split_column="fold", sheet="2024", task=Task.TAG),
    name="stars",
    models=Path("else where/\x7f\"'"),
    backbone="x.y",
    precision=Precision.INT8,
    seed=3,
    val=0.1,
    test=0.3,
    max_bad=0.0,
    own_samples=False,
    depth=Depth.AUTO,
    training=TrainingOptions(
        epochs=3, batch=8, rate=1e-5, layer_decay=0.9, weight_decay=0.0, smoothing=0.1, augment=False,
        size=128, cut="block6a", views=4, rank=4, patience=2,
    ),
    budget=90.0,
    resume=True,
    unknown_at=0.95,
    tune=20,
    tensorboard=Path("logs"),
)  # fmt: skip


def file(folder: Path, text: str) -> Path:
    path = folder / "recipe.toml"
    path.write_text(text)
    return path


def test_recipe_toml_has_a_key_for_every_field() -> None:
    parts = ({one.name for one in fields(part)} for part in (Recipe, DataOptions, TrainingOptions))
    names = [name for part in parts for name in part if name not in ("data_options", "training")]
    assert sorted(names) == sorted(KEY_SPECS)


def test_recipe_toml_round_trip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file(Path(), recipe_to_toml(FULL))
    assert recipe_from_toml(Path("recipe.toml")) == FULL
    every = {key for line in recipe_to_toml(FULL).splitlines() if (key := line.split(" =")[0])}
    assert every == KEY_SPECS.keys()


def test_recipe_toml_leaves_out_defaults() -> None:
    assert recipe_to_toml(Recipe(data="photos")) == 'data = "photos"\n'


def test_recipe_toml_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    file(tmp_path, 'data = "photos"\nmodels = "../m"\ntensorboard = "/abs"\n')
    recipe = recipe_from_toml(tmp_path / "recipe.toml")
    assert (recipe.data, recipe.name) == (str(tmp_path / "photos"), "photos")
    assert recipe.models == tmp_path / "../m"
    assert recipe.tensorboard == Path("/abs")
    assert recipe_from_toml(file(tmp_path, 'data = "sample:digits"\n')).data == "sample:digits"
    assert recipe_from_toml(file(tmp_path, 'data = "photos"\n')).models == Path("models")


def test_recipe_toml_takes_durations_and_columns_as_the_command_line(tmp_path: Path) -> None:
    recipe = recipe_from_toml(file(tmp_path, 'data="d.csv"\ndepth="auto"\nbudget="1h30m"\ntext="review"\n'))
    assert (recipe.budget, recipe.data_options.text) == (5400.0, ("review",))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('data="d"\nepoch=3', ["'epoch'", "Did you mean 'epochs'?", "split_column"]),
        ('data="d"\nsplit-column="x"', ["Did you mean 'split_column'?"]),
        ('data="d"\nno_augment=true', ["Did you mean 'augment'?"]),
        ('data="d"\n[training]\nepochs=3', ["'training'"]),
        ('data="d"\nepochs="3"', ["epochs is '3'; it must be a whole number"]),
        ('data="d"\nepochs=3.0', ["epochs", "a whole number"]),
        ('data="d"\nseed=true', ["seed", "a whole number"]),
        ('data="d"\nval=false', ["val", "a number"]),
        ('data="d"\nresume=1', ["resume", "true or false"]),
        ('data="d"\nlabel=3', ["label", "a text"]),
        ('data="d"\ntext=["a", 3]', ["text", "a column's name"]),
        ('data="d"\ndepth="deep"', ["depth", "probe, top, full, lora, auto"]),
        ('data="d"\nbudget="soon"', ["'soon' is not a duration", "1h30m"]),
        ('data="d"\nepochs=0', ["--epochs"]),
        ('data="d"\nbudget="5m"', ["--budget is for --depth auto"]),
        ('data="d"\ndepth="auto"\nbudget=0', ["--budget"]),
        ('data="d"\nunknown_at=1', ["--unknown-at"]),
        ('data="d"\ntune=-1', ["--tune"]),
        ("epochs=3", ["what to train on", 'data = "photos/"']),
        ("data=", ["not valid TOML"]),
        ('data="\\xff"', ["not valid TOML"]),
    ],
)
def test_invalid_recipe_toml_is_refused_with_advice(tmp_path: Path, text: str, words: list[str]) -> None:
    with pytest.raises(RecipeError) as error:
        recipe_from_toml(file(tmp_path, text))
    for word in words:
        assert word in str(error.value)


def test_missing_recipe_toml_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"nothing\.toml cannot be read \(No such file"):
        recipe_from_toml(tmp_path / "nothing.toml")


def test_recipe_from_a_mapping_with_paths_and_enums() -> None:
    recipe = recipe_from_values({"data": Path("d.csv"), "models": Path("m"), "depth": Depth.TOP, "text": ("a", "b")})
    assert recipe == Recipe(data="d.csv", models=Path("m"), depth=Depth.TOP, data_options=DataOptions(text=("a", "b")))


def test_recipe_with_data_in_memory_cannot_be_written() -> None:
    data = Dataset("arrays", (LabeledSample("0", "a", None, b""),))
    recipe = recipe_from_values({"data": data})
    assert (recipe.data, recipe.name) == (data, "arrays")
    with pytest.raises(RecipeError, match="arrays is in memory"):
        recipe_to_toml(recipe)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("10m", 600), ("1h30m", 5400), ("1H 30M", 5400), ("1.5h", 5400), ("45", 45)]
)
def test_duration_is_parsed(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", " ", "m", "ten minutes", "10x", "-3", "30m1h", "1e3", "nan"])
def test_invalid_duration_is_refused(text: str) -> None:
    with pytest.raises(RecipeError, match="not a duration"):
        parse_duration(text)


def test_train_takes_a_recipe_a_mapping_and_a_file(photos: Path, tmp_path: Path) -> None:
    models = tmp_path / "models"
    path = file(tmp_path, 'data = "photos"\nmodels = "models"\n')
    results = [
        finetune.train(recipe)
        for recipe in (
            Recipe(data=str(photos), models=models),
            {"data": photos, "models": models},
            path,
            str(path),
        )
    ]
    assert [result.bundle.manifest.version for result in results] == [1, 2, 3, 4]
    assert len({result.bundle.layout.head.read_bytes() for result in results}) == 1


def test_import_finetune_is_light() -> None:
    script = "import sys, finetune; print(*{name.split('.')[0] for name in sys.modules})"
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert not {"numpy", "onnx", "onnxruntime", "sklearn", "rich", "tensorflow", "keras"} & set(out.split())
