"""What the arguments of `predict` mean: files, texts, folders of them, tables.

Samples of `predict`: files, texts, pairs of texts, rows of tables; what each is in bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from pathlib import Path
from typing import Final

import click

from graft.bundle.manifest import SampleKind
from graft.errors import DatasetError, InputError
from graft.inputs.sample_files import IMAGE_SUFFIXES, TEXT_SUFFIXES, walk_files
from graft.inputs.text_bytes import decode_text_sample, encode_text_sample
from graft.tables import TABLE_SUFFIXES, ColumnSearch, DataRow, DataTable, read_table
from graft.tables.column_search import LABEL_COLUMNS, PATH_COLUMNS, SPLIT_COLUMNS
from service.client.requests import pack_sample

SAMPLE_FILE_NOUNS: Final = {"image": "images (.jpg, .png, …)", "text": "texts (.txt)"}


SampleValue = Path | str | tuple[str, str]  # a file, a text, a pair of texts


def parse_samples(arguments: Sequence[str], kind: SampleKind, columns: Sequence[str], sheet: str) -> PredictInputs:
    """Read the arguments for a model that takes `kind`; the user may name `columns` and the `sheet` of tables.

    What is wrong with a folder or with a table as a whole is said here, before anything is asked. What is wrong with
    one sample is not: it becomes that sample's answer.

    Raises:
        DatasetError: a folder holds no sample; a table cannot be read, is empty, or lacks the column.
        MissingExtra: a package that a table's format needs is not installed.
        click.UsageError: texts that do not make pairs, or options for tables where there is none.
    """
    parts: list[SampleTable | tuple[SampleValue, ...]] = []
    for tables, run in groupby(arguments, _is_table_file):
        group = list(run)
        if tables:
            parts += [_read_table(Path(one), kind, columns, sheet) for one in group]
        else:
            parts.append(_parse_pairs(group) if kind == "pair" else _parse_singles(group, kind))
    inputs = PredictInputs(tuple(parts))
    if (columns or sheet) and not inputs.tables:
        raise click.UsageError("--column and --sheet are for tables, and no table is among the samples.")
    return inputs


def _is_table_file(argument: str) -> bool:
    return Path(argument).suffix.lower() in TABLE_SUFFIXES and _is_path(argument, Path.is_file)


def _is_path(argument: str, check: Callable[[Path], bool]) -> bool:
    try:
        return argument != "" and check(Path(argument))  # Path("") is this folder
    except (OSError, ValueError):  # longer than a path may be
        return False


def _parse_singles(arguments: Sequence[str], takes: SampleKind) -> tuple[SampleValue, ...]:
    return tuple(chain.from_iterable(_parse_single(one, takes) for one in arguments))


def _parse_single(argument: str, takes: SampleKind) -> Sequence[SampleValue]:
    if _is_path(argument, Path.is_dir):
        return _list_folder(Path(argument), takes)
    if takes == "image" or _is_path(argument, Path.is_file) or _is_likely_path(argument):
        return [Path(argument)]
    return [argument]


def _is_likely_path(argument: str) -> bool:
    """Say whether a text is rather the name of a file that is not there, mistyped perhaps."""
    path = argument.strip()
    known = TABLE_SUFFIXES | TEXT_SUFFIXES | IMAGE_SUFFIXES
    return len(path) < 256 and len(path.split()) == 1 and (path.endswith("/") or Path(path).suffix.lower() in known)


def _list_folder(folder: Path, takes: SampleKind) -> list[SampleValue]:
    """Return the samples in a folder and in those below it."""
    suffixes = IMAGE_SUFFIXES if takes == "image" else TEXT_SUFFIXES
    try:
        named = (path for path in walk_files(folder) if path.suffix.lower() in suffixes)
        # What is there must be a regular file: a pipe would be waited for without end.
        found: list[SampleValue] = [path for path in named if path.is_file() or not path.exists()]
    except OSError as fault:
        raise DatasetError(f"{fault.filename} cannot be read ({fault.strerror}). Check its permissions.") from None
    if not found:
        raise DatasetError(
            f"{folder} holds no {SAMPLE_FILE_NOUNS[takes]}, nor do the folders in it. Give another folder, or files."
        )
    return found


def _parse_pairs(arguments: Sequence[str]) -> tuple[SampleValue, ...]:
    for one in arguments:
        if _is_path(one, Path.is_dir):
            raise click.UsageError(f"{one} is a folder, and the model takes pairs of texts. Give a table of them.")
    if len(arguments) % 2:
        raise click.UsageError(
            f"the model takes pairs of texts, and here are {len(arguments)}. Give the texts two by two, in quotes."
        )
    texts = [_read_text(one) for one in arguments]
    return tuple(zip(texts[::2], texts[1::2], strict=True))


def _read_text(argument: str) -> str:
    """Return the text that an argument of a pair is, or the one in the file of that name."""
    if not _is_path(argument, Path.is_file):
        return argument
    try:
        return decode_text_sample(Path(argument).read_bytes(), 1)[0]
    except (OSError, InputError) as fault:
        raise click.ClickException(f"{argument}: {fault}") from None


def _read_table(path: Path, takes: SampleKind, columns: Sequence[str], sheet_name: str) -> SampleTable:
    sheet = read_table(path, sheet_name)
    if not sheet.rows:
        raise DatasetError(f"{path} has a header but no rows. It needs a row for each sample.")
    return SampleTable(path, sheet, _find_columns(ColumnSearch(str(path), sheet), takes, columns, path))


def _find_columns(search: ColumnSearch, takes: SampleKind, names: Sequence[str], path: Path) -> tuple[int, ...]:
    """Return the columns that the samples stand in: as the user says, else by name and content as finetune does."""
    column_count = 2 if takes == "pair" else 1
    if names and len(names) != column_count:
        raise click.UsageError(
            f"the model takes {'pairs of texts' if column_count == 2 else 'one'}: give --column {column_count} times."
        )
    if names:
        return tuple(search.find_named(name, "--column") for name in names)
    found: tuple[int, ...]
    search.find_first(SPLIT_COLUMNS)  # so that no label or split is taken for a text
    search.find_first(LABEL_COLUMNS)
    if takes == "image":
        number = search.find_image_paths()
        number = search.find_first(PATH_COLUMNS) if number is None else number
        found = () if number is None else (number,)
    else:
        found = search.find_text_pair() if takes == "pair" else (search.find_text() or search.find_only_text())
    if not found:
        what = {"image": "the path of an image", "text": "the text", "pair": "a pair of texts"}[takes]
        raise DatasetError(
            f"{path} has no column that is surely {what}. {search.describe_columns()} Say which with --column"
            f"{' A --column B' if column_count == 2 else ' NAME'}."
        )
    return found


@dataclass(frozen=True, slots=True)
class SingleSample:
    """A sample that stands in no table."""

    value: SampleValue

    def to_bytes(self, kind: SampleKind) -> bytes:
        """Return what a model is asked.

        Raises:
            InputError: a file cannot be read, or a text is none.
        """
        return pack_sample(self.value, kind)


@dataclass(frozen=True, slots=True)
class SampleTable:
    """A table whose rows are samples."""

    path: Path
    sheet: DataTable
    columns: tuple[int, ...]  # of the path, of the text, or of the two texts

    def notes(self) -> tuple[str, ...]:
        """Return what the user should hear of how it was read."""
        found = ", ".join(f'"{self.sheet.column_names[number]}"' for number in self.columns)
        return (*self.sheet.notes, f"{self.path}: the samples are in {found}.")


@dataclass(frozen=True, slots=True)
class TableSample:
    """A sample that is a row of a table."""

    table: SampleTable
    row: DataRow

    def to_bytes(self, kind: SampleKind) -> bytes:
        """Return what a model is asked; paths to images begin in the table's folder.

        Raises:
            InputError: a file cannot be read, or there is nothing in a cell.
        """
        if self.row.ragged_width:
            raise InputError(
                f"{self.row.ragged_width} cells are more than there are columns; quote cells with delimiters."
            )
        cells = [self.row.cells[number] for number in self.table.columns]
        if not all(cells):
            raise InputError(f"the {'path' if kind == 'image' else 'text'} is missing.")
        if kind == "image":
            return pack_sample(self.table.path.parent / cells[0], kind)
        return encode_text_sample(*cells)


PredictSample = SingleSample | TableSample


@dataclass(frozen=True, slots=True)
class PredictInputs:
    """All the samples, in order; the rows of tables are made samples as they are asked for."""

    parts: tuple[SampleTable | tuple[SampleValue, ...], ...]

    @property
    def tables(self) -> tuple[SampleTable, ...]:
        """The tables among them."""
        return tuple(part for part in self.parts if isinstance(part, SampleTable))

    @property
    def singles(self) -> tuple[SampleValue, ...]:
        """What stands in no table."""
        return tuple(chain.from_iterable(part for part in self.parts if not isinstance(part, SampleTable)))

    def __len__(self) -> int:
        return sum(len(part.sheet.rows) if isinstance(part, SampleTable) else len(part) for part in self.parts)

    def __iter__(self) -> Iterator[PredictSample]:
        for part in self.parts:
            if isinstance(part, SampleTable):
                yield from (TableSample(part, row) for row in part.sheet.rows)
            else:
                yield from map(SingleSample, part)
