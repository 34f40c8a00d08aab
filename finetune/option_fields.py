"""Options of a recipe, each declared once: a dataclass field with its help text, allowed range and section.

From these fields follow the command line (`finetune.cli.options`), the keys of a recipe file (`finetune.recipe_toml`)
and the range checks (`check_ranges`). Fields without such metadata are not options.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from types import MappingProxyType, NoneType, UnionType
from typing import Any, Final, Literal, get_args, get_type_hints

from graft.errors import RecipeError

_METADATA_KEY: Final = "option"
Section = Literal["Data", "Model", "Training"]


@dataclass(frozen=True, slots=True)
class Range:
    """The numbers that an option may have."""

    low: float
    high: float = float("inf")
    exclusive: bool = False  # the limits themselves are not allowed
    text: str = ""  # how an error says it; "": "LOW to HIGH"

    def __contains__(self, value: float) -> bool:
        return self.low < value < self.high if self.exclusive else self.low <= value <= self.high

    def __str__(self) -> str:
        return self.text or f"{self.low:g} to {self.high:g}"


@dataclass(frozen=True, slots=True)
class OptionField:
    """One option. Its type decides what the command line and TOML accept: text, number, flag, path or choice."""

    section: Section  # heading in `finetune --help`
    help: str
    default_text: str = ""  # what the help shows as the default, if that is not the value of the field
    metavar: str = ""  # "": X for a number, N for a whole one
    allowed: Range | None = None
    flags: tuple[str, ...] = ()  # names on the command line, if not made from the field's name
    is_duration: bool = False  # seconds, also written like "10m"
    name: str = ""
    type: Any = None  # without None
    default: Any = None

    @property
    def flag(self) -> str:
        """The option's name on the command line; `--no-NAME` for a flag that is on by default."""
        return self.flags[0] if self.flags else f"--{'no-' * (self.default is True)}{self.name.replace('_', '-')}"

    @property
    def choices(self) -> tuple[str, ...]:
        """The values that may be chosen; none where anything of the type is allowed."""
        return (
            tuple(one.value for one in self.type)
            if isinstance(self.type, type) and issubclass(self.type, StrEnum)
            else ()
        )


def option(section: Section, help: str, **more: Any) -> dict[str, OptionField]:  # noqa: ANN401, A002
    """Return the metadata of a dataclass field that is an option; `more` are further fields of `OptionField`.

    >>> @dataclass
    ... class Demo:
    ...     epochs: int = dataclasses.field(default=3, metadata=option("Training", "Epochs.", allowed=Range(1, 100)))
    >>> option_fields(Demo)["epochs"].flag
    '--epochs'
    >>> check_ranges(Demo(epochs=0))
    Traceback (most recent call last):
    graft.errors.RecipeError: --epochs is 0; allowed: 1 to 100.
    """
    return {_METADATA_KEY: OptionField(section, help, **more)}


@cache
def option_fields(owner: type) -> MappingProxyType[str, OptionField]:
    """Return the options of a dataclass and of the dataclasses in its fields, by name, in the order of the fields."""
    return MappingProxyType(dict(_iter_options(owner)))


def _iter_options(owner: type) -> Iterator[tuple[str, OptionField]]:
    types = get_type_hints(owner)
    for field in dataclasses.fields(owner):
        kind = types[field.name]
        if isinstance(kind, UnionType):
            kind = next(one for one in get_args(kind) if one is not NoneType)
        if dataclasses.is_dataclass(kind):
            yield from option_fields(kind).items()  # type: ignore[arg-type]  # a dataclass is hashable
        elif (declared := field.metadata.get(_METADATA_KEY)) is not None:
            yield field.name, dataclasses.replace(declared, name=field.name, type=kind, default=field.default)


def check_ranges(options: Any) -> None:  # noqa: ANN401
    """Check the numbers in a dataclass of options; fields that are None pass, and so do nested dataclasses.

    Raises:
        RecipeError: a number is out of its range.
    """
    for field in option_fields(type(options)).values():  # type: ignore[arg-type]
        value = getattr(options, field.name, None)
        if field.allowed is not None and value is not None and value not in field.allowed:
            raise RecipeError(f"{field.flag} is {value}; allowed: {field.allowed}.")
