"""A recipe as TOML and back. The keys are the command line's options, `-` written as `_`.

    data = "photos/"
    depth = "auto"
    budget = "30m"
    augment = false        # --no-augment
    own_samples = false    # --no-samples

Paths are relative to the file that they stand in.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from finetune.data.dataset import DataOptions, Dataset
from finetune.data.task import Task
from finetune.duration import parse_duration
from finetune.recipe import Depth, Recipe, TrainingOptions
from graft.errors import RecipeError
from zoo.catalog.backbone import Precision


@dataclass(frozen=True, slots=True)
class KeySpec:
    """What a key may hold."""

    description: str  # as an error says it
    parse: Callable[[Any], Any]  # raises TypeError or ValueError


def _require_type(*types: type) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:  # noqa: ANN401
        if isinstance(value, bool) is not (bool in types) or not isinstance(value, types):
            raise TypeError
        return value

    return read


def _parse_columns(value: Any) -> tuple[str, ...]:  # noqa: ANN401
    return tuple(map(_require_type(str), [value] if isinstance(value, str) else _require_type(list, tuple)(value)))


def _parse_seconds(value: Any) -> float:  # noqa: ANN401
    return parse_duration(value) if isinstance(value, str) else float(_parse_number(value))


def _enum_spec(names: type[StrEnum]) -> KeySpec:
    return KeySpec(f"one of {', '.join(names)}", names)


_parse_number, _parse_path = _require_type(int, float), _require_type(str, Path)
_STRING_SPEC: Final = KeySpec("a text", _require_type(str))
_PATH_SPEC: Final = KeySpec("a path", lambda value: Path(_parse_path(value)))
_NUMBER_SPEC: Final = KeySpec("a number", _parse_number)
_INTEGER_SPEC: Final = KeySpec("a whole number", _require_type(int))
_BOOLEAN_SPEC: Final = KeySpec("true or false", _require_type(bool))

KEY_SPECS: Final[dict[str, KeySpec]] = {
    "data": KeySpec(
        "a path or sample:NAME", lambda value: value if isinstance(value, Dataset) else str(_parse_path(value))
    ),
    **dict.fromkeys(("label", "split_column", "sheet", "name", "backbone", "cut"), _STRING_SPEC),
    "text": KeySpec("a column's name, or a list of two", _parse_columns),
    "task": _enum_spec(Task),
    "precision": _enum_spec(Precision),
    "depth": _enum_spec(Depth),
    "budget": KeySpec('a duration such as "10m", or seconds', _parse_seconds),
    **dict.fromkeys(("models", "tensorboard"), _PATH_SPEC),
    **dict.fromkeys(("val", "test", "max_bad", "unknown_at"), _NUMBER_SPEC),
    **dict.fromkeys(("rate", "layer_decay", "weight_decay", "smoothing"), _NUMBER_SPEC),
    **dict.fromkeys(("seed", "tune", "epochs", "batch", "size", "views", "rank", "patience"), _INTEGER_SPEC),
    **dict.fromkeys(("own_samples", "augment", "resume"), _BOOLEAN_SPEC),
}
_DATA_KEYS, _TRAINING_KEYS = ({one.name for one in fields(part)} for part in (DataOptions, TrainingOptions))


def recipe_from_values(values: Mapping[str, Any], where: str = "the recipe") -> Recipe:
    """Return the recipe that `values` describe: keys as in the file; `where` is named in errors.

    Raises:
        RecipeError: a key is unknown, a value is of another type than it must be, or out of its range.
    """
    parsed = {key: _parse_value(key, value, where) for key, value in values.items()}
    if "data" not in parsed:
        raise RecipeError(f'{where} does not say what to train on. Give it data = "photos/", or name it on the line.')
    return Recipe(
        data_options=DataOptions(**{key: value for key, value in parsed.items() if key in _DATA_KEYS}),
        training=TrainingOptions(**{key: value for key, value in parsed.items() if key in _TRAINING_KEYS}),
        **{key: value for key, value in parsed.items() if key not in _DATA_KEYS | _TRAINING_KEYS},
    )


def read_recipe_toml(path: Path) -> dict[str, Any]:
    """Return what the TOML file `path` says, checked key by key, its paths made independent of where we are.

    Raises:
        RecipeError: it cannot be read, is no TOML, has an unknown key or a value of another type.
    """
    try:
        values = tomllib.loads(path.read_text())
    except OSError as fault:
        raise RecipeError(f"the recipe {path} cannot be read ({fault.strerror}).") from None
    except ValueError as fault:  # no TOML, or no UTF-8
        raise RecipeError(f"the recipe {path} is no TOML ({fault}).") from None
    for key, value in values.items():
        if isinstance(_parse_value(key, value, str(path)), Path) or (key == "data" and not value.startswith("sample:")):
            values[key] = str(path.parent / value)
    return values


def recipe_to_toml(recipe: Recipe) -> str:
    """Return `recipe` as TOML, without what is as by default.

    Raises:
        RecipeError: its data are no path but what was in memory.
    """
    if isinstance(recipe.data, Dataset):
        raise RecipeError(f"{recipe.data.source} was made in memory: a TOML file cannot name it. Write it as a table.")
    values: dict[str, Any] = {}
    for part, defaults in (
        (recipe, Recipe(data=recipe.data)),
        (recipe.data_options, DataOptions()),
        (recipe.training, TrainingOptions()),
    ):
        for one in fields(part):
            value = getattr(part, one.name)
            if not dataclasses.is_dataclass(value) and (one.name == "data" or value != getattr(defaults, one.name)):
                values[one.name] = value
    return "".join(f"{key} = {_format_literal(value)}\n" for key, value in values.items())


def _parse_value(key: str, value: Any, where: str) -> Any:  # noqa: ANN401
    if key not in KEY_SPECS:
        similar_keys = difflib.get_close_matches(key.replace("-", "_").removeprefix("no_"), KEY_SPECS, 1)
        hint = f"Is {similar_keys[0]!r} meant? " if similar_keys else ""
        raise RecipeError(f"{where}: there is no {key!r}. {hint}Allowed are {', '.join(KEY_SPECS)}.")
    spec = KEY_SPECS[key]
    try:
        return spec.parse(value)
    except (TypeError, ValueError):
        raise RecipeError(f"{where}: {key} is {value!r}; it must be {spec.description}.") from None


def _format_literal(value: Any) -> str:  # noqa: ANN401
    if isinstance(value, bool | int | float):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(_format_literal, value))}]"
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
