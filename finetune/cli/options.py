"""The options of the command `finetune`, made from the fields of the recipe; those not given are None.

Each has the name of the field that it sets, which is also its key in a recipe's TOML file. Its help text, default and
range stand at the field: see `finetune.recipe`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, get_args

import click

from finetune.option_fields import OptionField, Section, option_fields
from finetune.recipe import Recipe
from graft.cli.completion_values import complete_files, complete_folders
from zoo.cli.options import complete_backbones

OptionSection = tuple[str, Sequence[click.Option]]  # a heading, and the options below it


def _click_option(option: OptionField) -> click.Option:
    attrs: dict[str, Any] = {"help": _help_text(option), "default": None}
    if option.type is bool:
        attrs["flag_value"] = not option.default
    elif option.choices:
        attrs["type"] = click.Choice(option.choices)
    elif option.type in (int, float) and not option.is_duration:
        attrs |= {"type": option.type, "metavar": "N" if option.type is int else "X"}
    else:
        attrs |= {"metavar": option.metavar, "multiple": option.type == tuple[str, ...]}
        attrs["shell_complete"] = complete_folders if option.type is Path else _COMPLETIONS.get(option.name)
    return click.Option([*option.flags, option.name] if option.flags else [option.flag, option.name], **attrs)


def _help_text(option: OptionField) -> str:
    default = option.default_text
    if not default and not isinstance(option.default, bool) and option.default not in (None, "", ()):
        default = str(option.default)
    return "  ".join(filter(None, (option.help, f"[default: {default}]" if default else "")))


_COMPLETIONS: Final = {"backbone": complete_backbones}
RECIPE_OPTIONS: Final = {option.name: _click_option(option) for option in option_fields(Recipe).values()}
PROGRESS_OPTION: Final = click.Option(
    ["--progress"],
    type=click.Choice(["auto", "json", "none"]),
    default="auto",
    help="Progress on standard error: for people, as JSON Lines, or none.  [default: auto]",
)
JSON_OPTION: Final = click.Option(["--json", "as_json"], is_flag=True, help="Print one JSON object on standard output.")
RUN_OPTIONS: Final = (
    click.Option(
        ["--recipe"],
        metavar="FILE.toml",
        shell_complete=complete_files,
        help="Read options from a TOML file, such as depth = 'auto'; the command line wins.",
    ),
    PROGRESS_OPTION,
    JSON_OPTION,
)
OPTION_SECTIONS: Final[tuple[OptionSection, ...]] = (
    *(
        (section, [RECIPE_OPTIONS[one.name] for one in option_fields(Recipe).values() if one.section == section])
        for section in get_args(Section)
    ),
    ("Run", RUN_OPTIONS),
)
