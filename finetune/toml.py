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

from finetune.dataset import Dataset, Wanted
from finetune.duration import seconds_of
from finetune.recipe import Recipe
from finetune.tasks import Task
from finetune.training import Depth, Training
from zoo.backbone import Precision
from zoo.errors import RecipeError


@dataclass(frozen=True, slots=True)
class Kind:
    """What a key may hold."""

    what: str  # as an error says it
    read: Callable[[Any], Any]  # raises TypeError or ValueError


def _exactly(*types: type) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:  # noqa: ANN401
        if isinstance(value, bool) is not (bool in types) or not isinstance(value, types):
            raise TypeError
        return value

    return read


def _columns(value: Any) -> tuple[str, ...]:  # noqa: ANN401
    return tuple(map(_exactly(str), [value] if isinstance(value, str) else _exactly(list, tuple)(value)))


def _seconds(value: Any) -> float:  # noqa: ANN401
    return seconds_of(value) if isinstance(value, str) else float(_number(value))


def _one_of(names: type[StrEnum]) -> Kind:
    return Kind(f"one of {', '.join(names)}", names)


_number, _path = _exactly(int, float), _exactly(str, Path)
_TEXT: Final = Kind("a text", _exactly(str))
_PATH: Final = Kind("a path", lambda value: Path(_path(value)))
_NUMBER: Final = Kind("a number", _number)
_WHOLE: Final = Kind("a whole number", _exactly(int))
_FLAG: Final = Kind("true or false", _exactly(bool))

KINDS: Final[dict[str, Kind]] = {
    "data": Kind("a path or sample:NAME", lambda value: value if isinstance(value, Dataset) else str(_path(value))),
    **dict.fromkeys(("label", "split_column", "sheet", "name", "backbone", "cut"), _TEXT),
    "text": Kind("a column's name, or a list of two", _columns),
    "task": _one_of(Task),
    "precision": _one_of(Precision),
    "depth": _one_of(Depth),
    "budget": Kind('a duration such as "10m", or seconds', _seconds),
    **dict.fromkeys(("models", "tensorboard"), _PATH),
    **dict.fromkeys(("val", "test", "max_bad", "unknown_at"), _NUMBER),
    **dict.fromkeys(("rate", "layer_decay", "weight_decay", "smoothing"), _NUMBER),
    **dict.fromkeys(("seed", "tune", "epochs", "batch", "size", "views", "rank", "patience"), _WHOLE),
    **dict.fromkeys(("own_samples", "augment", "resume"), _FLAG),
}
_WANTED, _TRAINING = ({one.name for one in fields(part)} for part in (Wanted, Training))


def recipe_of(facts: Mapping[str, Any], where: str = "the recipe") -> Recipe:
    """Return the recipe that `facts` describe: keys as in the file; `where` is named in errors.

    Raises:
        RecipeError: a key is unknown, a value is of another type than it must be, or out of its range.
    """
    read = {key: _value(key, value, where) for key, value in facts.items()}
    if "data" not in read:
        raise RecipeError(f'{where} does not say what to train on. Give it data = "photos/", or name it on the line.')
    return Recipe(
        wanted=Wanted(**{key: value for key, value in read.items() if key in _WANTED}),
        training=Training(**{key: value for key, value in read.items() if key in _TRAINING}),
        **{key: value for key, value in read.items() if key not in _WANTED | _TRAINING},
    )


def read(path: Path) -> dict[str, Any]:
    """Return what the TOML file `path` says, checked key by key, its paths made independent of where we are.

    Raises:
        RecipeError: it cannot be read, is no TOML, has an unknown key or a value of another type.
    """
    try:
        facts = tomllib.loads(path.read_text())
    except OSError as fault:
        raise RecipeError(f"the recipe {path} cannot be read ({fault.strerror}).") from None
    except ValueError as fault:  # no TOML, or no UTF-8
        raise RecipeError(f"the recipe {path} is no TOML ({fault}).") from None
    for key, value in facts.items():
        if isinstance(_value(key, value, str(path)), Path) or (key == "data" and not value.startswith("sample:")):
            facts[key] = str(path.parent / value)
    return facts


def written(recipe: Recipe) -> str:
    """Return `recipe` as TOML, without what is as by default.

    Raises:
        RecipeError: its data are no path but what was in memory.
    """
    if isinstance(recipe.data, Dataset):
        raise RecipeError(f"{recipe.data.source} was made in memory: a TOML file cannot name it. Write it as a table.")
    facts: dict[str, Any] = {}
    for part, usual in ((recipe, Recipe(data=recipe.data)), (recipe.wanted, Wanted()), (recipe.training, Training())):
        for one in fields(part):
            value = getattr(part, one.name)
            if not dataclasses.is_dataclass(value) and (one.name == "data" or value != getattr(usual, one.name)):
                facts[one.name] = value
    return "".join(f"{key} = {_literal(value)}\n" for key, value in facts.items())


def _value(key: str, value: Any, where: str) -> Any:  # noqa: ANN401
    if key not in KINDS:
        near = difflib.get_close_matches(key.replace("-", "_").removeprefix("no_"), KINDS, 1)
        hint = f"Is {near[0]!r} meant? " if near else ""
        raise RecipeError(f"{where}: there is no {key!r}. {hint}Allowed are {', '.join(KINDS)}.")
    kind = KINDS[key]
    try:
        return kind.read(value)
    except (TypeError, ValueError):
        raise RecipeError(f"{where}: {key} is {value!r}; it must be {kind.what}.") from None


def _literal(value: Any) -> str:  # noqa: ANN401
    if isinstance(value, bool | int | float):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(_literal, value))}]"
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
