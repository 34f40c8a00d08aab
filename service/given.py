"""What the arguments of `predict` mean: files, texts, folders of them, tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain, groupby
from pathlib import Path
from typing import Final

import click

from service.packing import Takes
from service.samples import Asked, Given, Table
from zoo.errors import DatasetError, InputError
from zoo.folders import PICTURE, TEXT, files
from zoo.table import SUFFIXES, Search, read
from zoo.table.names import LABELS, PATHS, SPLITS
from zoo.utf8 import texts_of

MANY: Final = {"image": "images (.jpg, .png, …)", "text": "texts (.txt)"}


def given(arguments: Sequence[str], takes: Takes, columns: Sequence[str], sheet: str) -> Given:
    """Read the arguments for a model that takes `takes`; the user may name `columns` and the `sheet` of tables.

    What is wrong with a folder or with a table as a whole is said here, before anything is asked. What is wrong with
    one sample is not: it becomes that sample's answer.

    Raises:
        DatasetError: a folder holds no sample; a table cannot be read, is empty, or lacks the column.
        MissingExtra: a package that a table's format needs is not installed.
        click.UsageError: texts that do not make pairs, or options for tables where there is none.
    """
    parts: list[Table | tuple[Asked, ...]] = []
    for tables, run in groupby(arguments, _is_table):
        some = list(run)
        if tables:
            parts += [_table(Path(one), takes, columns, sheet) for one in some]
        else:
            parts.append(_pairs(some) if takes == "pair" else _singles(some, takes))
    found = Given(tuple(parts))
    if (columns or sheet) and not found.tables:
        raise click.UsageError("--column and --sheet are for tables, and no table is among the samples.")
    return found


def _is_table(argument: str) -> bool:
    return Path(argument).suffix.lower() in SUFFIXES and _is(argument, Path.is_file)


def _is(argument: str, what: Callable[[Path], bool]) -> bool:
    try:
        return argument != "" and what(Path(argument))  # Path("") is this folder
    except (OSError, ValueError):  # longer than a path may be
        return False


def _singles(arguments: Sequence[str], takes: Takes) -> tuple[Asked, ...]:
    return tuple(chain.from_iterable(_single(one, takes) for one in arguments))


def _single(argument: str, takes: Takes) -> Sequence[Asked]:
    if _is(argument, Path.is_dir):
        return _inside(Path(argument), takes)
    if takes == "image" or _is(argument, Path.is_file) or _is_meant_as_path(argument):
        return [Path(argument)]
    return [argument]


def _is_meant_as_path(argument: str) -> bool:
    """Say whether a text is rather the name of a file that is not there, mistyped perhaps."""
    path = argument.strip()
    known = SUFFIXES | TEXT | PICTURE
    return len(path) < 256 and len(path.split()) == 1 and (path.endswith("/") or Path(path).suffix.lower() in known)


def _inside(folder: Path, takes: Takes) -> list[Asked]:
    """Return the samples in a folder and in those below it."""
    suffixes = PICTURE if takes == "image" else TEXT
    try:
        named = (path for path in files(folder) if path.suffix.lower() in suffixes)
        # What is there must be a regular file: a pipe would be waited for without end.
        found: list[Asked] = [path for path in named if path.is_file() or not path.exists()]
    except OSError as fault:
        raise DatasetError(f"{fault.filename} cannot be read ({fault.strerror}). Check its permissions.") from None
    if not found:
        raise DatasetError(f"{folder} holds no {MANY[takes]}, nor do the folders in it. Give another folder, or files.")
    return found


def _pairs(arguments: Sequence[str]) -> tuple[Asked, ...]:
    for one in arguments:
        if _is(one, Path.is_dir):
            raise click.UsageError(f"{one} is a folder, and the model takes pairs of texts. Give a table of them.")
    if len(arguments) % 2:
        raise click.UsageError(
            f"the model takes pairs of texts, and here are {len(arguments)}. Give the texts two by two, in quotes."
        )
    texts = [_text_of(one) for one in arguments]
    return tuple(zip(texts[::2], texts[1::2], strict=True))


def _text_of(argument: str) -> str:
    """Return the text that an argument of a pair is, or the one in the file of that name."""
    if not _is(argument, Path.is_file):
        return argument
    try:
        return texts_of(Path(argument).read_bytes(), 1)[0]
    except (OSError, InputError) as fault:
        raise click.ClickException(f"{argument}: {fault}") from None


def _table(path: Path, takes: Takes, columns: Sequence[str], wanted: str) -> Table:
    sheet = read(path, wanted)
    if not sheet.rows:
        raise DatasetError(f"{path} has a header but no rows. It needs a row for each sample.")
    return Table(path, sheet, _columns(Search(str(path), sheet), takes, columns, path))


def _columns(search: Search, takes: Takes, wanted: Sequence[str], path: Path) -> tuple[int, ...]:
    """Return the columns that the samples stand in: as the user says, else by name and content as finetune does."""
    due = 2 if takes == "pair" else 1
    if wanted and len(wanted) != due:
        raise click.UsageError(f"the model takes {'pairs of texts' if due == 2 else 'one'}: give --column {due} times.")
    if wanted:
        return tuple(search.named(name, "--column") for name in wanted)
    found: tuple[int, ...]
    search.known(SPLITS)  # so that no label or split is taken for a text
    search.known(LABELS)
    if takes == "image":
        number = search.paths()
        number = search.known(PATHS) if number is None else number
        found = () if number is None else (number,)
    else:
        found = search.pair() if takes == "pair" else (search.text() or search.only_text())
    if not found:
        what = {"image": "the path of an image", "text": "the text", "pair": "a pair of texts"}[takes]
        raise DatasetError(
            f"{path} has no column that is surely {what}. {search.all()} Say which with --column"
            f"{' A --column B' if due == 2 else ' NAME'}."
        )
    return found
