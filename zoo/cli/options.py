"""Options that several commands share: filters of backbones with checks and shell completion, and --labels."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

import click
from click import Context, Parameter
from click.shell_completion import CompletionItem

from graft.cli.completion_values import complete_words
from graft.errors import RecipeError
from zoo.catalog.find import BACKBONE_KINDS, all_backbones, license_name, parse_param_count, source_names

WordSource = Callable[[], Iterable[str]]


KIND_OPTION: Final = click.option("--kind", type=click.Choice(BACKBONE_KINDS), help="Input of the backbone.")


def _license_names() -> Iterator[str]:
    return map(license_name, all_backbones())


def _source_names() -> Iterator[str]:
    return (source for entry in all_backbones() for source in source_names(entry))


def _choice_callback(words: WordSource) -> Callable[[click.Context, click.Parameter, str | None], str | None]:
    """Return a callback that requires one of `words`, in any case; its error names the nearest and all of them."""

    def check(_: click.Context, param: click.Parameter, value: str | None) -> str | None:
        choices = {word.lower(): word for word in words()}
        if value is None or value.lower() in choices:
            return value and choices[value.lower()]
        nearest = difflib.get_close_matches(value.lower(), choices, n=1, cutoff=0.5)
        hint = f"did you mean {choices[nearest[0]]}? " if nearest else ""
        raise click.BadParameter(f"no backbone has {value!r}; {hint}there are {', '.join(sorted(choices.values()))}.")

    return check


def _completer(words: WordSource) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    return lambda _, param, incomplete: complete_words(words(), incomplete)


def _parse_count_option(_: click.Context, param: click.Parameter, value: str | None) -> int | None:
    try:
        return None if value is None else parse_param_count(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


MAX_PARAMS_OPTION: Final = click.option(
    "--max-params", callback=_parse_count_option, metavar="N", help="At most N parameters: 10M, 500k, 1.2B."
)


LICENSE_OPTION: Final = click.option(
    "--license",
    "license_",
    callback=_choice_callback(_license_names),
    shell_complete=_completer(_license_names),
    metavar="SPDX",
    help="Licence of the weights: Apache-2.0, MIT, ...",
)


SOURCE_OPTION: Final = click.option(
    "--source",
    callback=_choice_callback(_source_names),
    shell_complete=_completer(_source_names),
    metavar="LIBRARY",
    help="Library: keras.applications, keras-hub, ...; or wheel.",
)


def complete_backbones(_: Context, param: Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the names of backbones that start with what was typed."""
    return complete_words((entry.name for entry in all_backbones()), incomplete)


def read_labels(path: Path) -> tuple[str, ...]:
    """Return the labels in a UTF-8 text file: one a line, in the order of the model's outputs.

    Raises:
        RecipeError: the file cannot be read, or a label is empty or occurs twice.
    """
    try:
        lines = tuple(line.strip() for line in path.read_text("utf-8-sig").rstrip().splitlines())
    except OSError as fault:
        raise RecipeError(f"{path} cannot be read ({fault.strerror}). It holds one label a line.") from None
    except UnicodeDecodeError as fault:
        raise RecipeError(f"{path} cannot be read as UTF-8 text ({fault}). It holds one label a line.") from None
    duplicates = sorted({line for line in lines if lines.count(line) > 1})
    if "" in lines or duplicates or not lines:
        defect = "an empty line" if "" in lines else f"{duplicates[0]!r} twice" if duplicates else "no label"
        raise RecipeError(f"{path} has {defect}. It holds one label a line, each its own, in the order of the outputs.")
    return lines
