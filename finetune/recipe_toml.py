"""Recipe files: a recipe as TOML and back. The keys are the command line's options, `-` written as `_`.

    data = "photos/"
    depth = "auto"
    budget = "30m"
    augment = false        # --no-augment
    own_samples = false    # --no-samples

Paths are relative to the recipe file.
"""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from finetune.data.dataset import DataOptions, Dataset
from finetune.option_fields import OptionField, option_fields
from finetune.recipe import Recipe, TrainingOptions
from graft.errors import RecipeError

Parser = Callable[[Any], Any]  # raises TypeError or ValueError
_UNIT_SECONDS: Final = {"h": 3600, "m": 60, "s": 1}
_DURATION_PATTERN: Final = re.compile(
    r"(?=.)" + "".join(rf"(?:(\d+(?:\.\d+)?)\s*{unit}\s*)?" for unit in _UNIT_SECONDS)
)


@dataclass(frozen=True, slots=True)
class KeySpec:
    """The values that a key may have."""

    description: str  # as an error says it
    parse: Parser


def parse_duration(text: str) -> float:
    """Return a duration in seconds: "90s", "10m", "1h30m", "1.5h", or a plain number of seconds.

    >>> parse_duration("1h30m")
    5400.0

    Raises:
        RecipeError: `text` is not a duration.
    """
    plain = text.strip().lower()
    if re.fullmatch(r"\d+(\.\d+)?", plain):
        return float(plain)
    if not (match := _DURATION_PATTERN.fullmatch(plain)):
        raise RecipeError(f"{text!r} is not a duration. Write it like 90s, 10m or 1h30m, or as a number of seconds.")
    return sum(float(number or 0) * unit for number, unit in zip(match.groups(), _UNIT_SECONDS.values(), strict=True))


def _require_type(*types: type) -> Parser:
    def parse(value: Any) -> Any:  # noqa: ANN401
        if isinstance(value, bool) is not (bool in types) or not isinstance(value, types):
            raise TypeError
        return value

    return parse


def _parse_columns(value: Any) -> tuple[str, ...]:  # noqa: ANN401
    return tuple(map(_require_type(str), [value] if isinstance(value, str) else _require_type(list, tuple)(value)))


def _parse_seconds(value: Any) -> float:  # noqa: ANN401
    return parse_duration(value) if isinstance(value, str) else float(_require_type(int, float)(value))


def _parse_data(value: Any) -> str | Dataset:  # noqa: ANN401
    return value if isinstance(value, Dataset) else str(_require_type(str, Path)(value))


_SPEC_BY_TYPE: Final[dict[Any, KeySpec]] = {
    str: KeySpec("a text", _require_type(str)),
    int: KeySpec("a whole number", _require_type(int)),
    float: KeySpec("a number", _require_type(int, float)),
    bool: KeySpec("true or false", _require_type(bool)),
    Path: KeySpec("a path", lambda value: Path(_require_type(str, Path)(value))),
    tuple[str, ...]: KeySpec("a column's name, or a list of two", _parse_columns),
}


def _key_spec(option: OptionField) -> KeySpec:
    if option.is_duration:
        return KeySpec('a duration such as "10m", or seconds', _parse_seconds)
    return KeySpec(f"one of {', '.join(option.choices)}", option.type) if option.choices else _SPEC_BY_TYPE[option.type]


KEY_SPECS: Final[dict[str, KeySpec]] = {
    "data": KeySpec("a path or sample:NAME", _parse_data),
    **{name: _key_spec(option) for name, option in option_fields(Recipe).items()},
}


def recipe_from_values(values: Mapping[str, Any], where: str = "the recipe") -> Recipe:
    """Return the recipe with the options `values`, keyed as in a recipe file; errors name `where`.

    >>> recipe_from_values({"data": "photos/", "depth": "auto", "budget": "30m"}).budget
    1800.0

    Raises:
        RecipeError: a key is unknown, or a value has the wrong type or is out of its range.
    """
    parsed = {key: _parse_value(key, value, where) for key, value in values.items()}
    if "data" not in parsed:
        raise RecipeError(
            f'{where} does not say what to train on. Set data = "photos/", or name DATA on the command line.'
        )
    data_options, training = (
        {key: parsed.pop(key) for key in option_fields(part) if key in parsed}
        for part in (DataOptions, TrainingOptions)
    )
    return Recipe(data_options=DataOptions(**data_options), training=TrainingOptions(**training), **parsed)


def data_options_from_values(values: Mapping[str, Any]) -> DataOptions:
    """Return the data options among `values`, keyed as in a recipe file; None and () mean the default.

    Raises:
        RecipeError: a value has the wrong type.
    """
    chosen = {key: values[key] for key in option_fields(DataOptions) if values.get(key) not in (None, ())}
    return DataOptions(**{key: _parse_value(key, value, "the command") for key, value in chosen.items()})


def recipe_from_toml(path: Path) -> Recipe:
    """Read a recipe from a TOML file.

    Raises:
        RecipeError: the file cannot be read, is not TOML, or is not a valid recipe.
    """
    return recipe_from_values(read_recipe_toml(path), str(path))


def read_recipe_toml(path: Path) -> dict[str, Any]:
    """Return the options in a TOML file, each checked, with paths resolved against the file's folder.

    Raises:
        RecipeError: the file cannot be read, is not TOML, or has an unknown key or a value of the wrong type.
    """
    try:
        values = tomllib.loads(path.read_text())
    except OSError as fault:
        raise RecipeError(f"the recipe {path} cannot be read ({fault.strerror}).") from None
    except ValueError as fault:  # not TOML, or not UTF-8
        raise RecipeError(f"the recipe {path} is not valid TOML ({fault}).") from None
    for key, value in values.items():
        if isinstance(_parse_value(key, value, str(path)), Path) or (key == "data" and not value.startswith("sample:")):
            values[key] = str(path.parent / value)
    return values


def recipe_to_toml(recipe: Recipe) -> str:
    """Return `recipe` as TOML, without options that have their default value.

    Raises:
        RecipeError: its data are in memory and have no path.
    """
    if isinstance(recipe.data, Dataset):
        raise RecipeError(
            f"{recipe.data.source} is in memory, so a TOML file cannot name it. Save it as a table first."
        )
    values, defaults = _option_values(recipe), _option_values(Recipe(data=recipe.data))
    changed = {key: value for key, value in values.items() if value != defaults[key]}
    return "".join(f"{key} = {_format_literal(value)}\n" for key, value in {"data": recipe.data, **changed}.items())


def _option_values(recipe: Recipe) -> dict[str, Any]:
    parts = (recipe, recipe.data_options, recipe.training)
    return {name: next(getattr(part, name) for part in parts if hasattr(part, name)) for name in option_fields(Recipe)}


def _parse_value(key: str, value: Any, where: str) -> Any:  # noqa: ANN401
    if key not in KEY_SPECS:
        similar_keys = difflib.get_close_matches(key.replace("-", "_").removeprefix("no_"), KEY_SPECS, 1)
        hint = f"Did you mean {similar_keys[0]!r}? " if similar_keys else ""
        raise RecipeError(f"{where}: unknown option {key!r}. {hint}Allowed are {', '.join(KEY_SPECS)}.")
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
