"""Inputs of `predict`: arguments -> samples: files, texts, pairs of texts, folders of files, rows of tables."""

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
    """Parse the arguments for a model that takes `kind`; `columns` and `sheet` are the options for tables.

    An invalid folder or table is an error here, before anything is predicted. An invalid sample is not: its error
    becomes its outcome.

    Raises:
        DatasetError: a folder has no samples; a table cannot be read, is empty, or lacks the column.
        MissingExtra: a package that a table's format needs is not installed.
        click.UsageError: an odd number of texts for pairs, or options for tables without a table.
    """
    parts: list[SampleTable | tuple[SampleValue, ...]] = []
    for are_tables, run in groupby(arguments, _is_table_file):
        group = list(run)
        if are_tables:
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
        return argument != "" and check(Path(argument))  # Path("") would be the current folder
    except (OSError, ValueError):  # longer than a path may be
        return False


def _parse_singles(arguments: Sequence[str], kind: SampleKind) -> tuple[SampleValue, ...]:
    return tuple(chain.from_iterable(_parse_single(one, kind) for one in arguments))


def _parse_single(argument: str, kind: SampleKind) -> Sequence[SampleValue]:
    if _is_path(argument, Path.is_dir):
        return _list_folder(Path(argument), kind)
    if kind == "image" or _is_path(argument, Path.is_file) or _is_likely_path(argument):
        return [Path(argument)]
    return [argument]


def _is_likely_path(argument: str) -> bool:
    """Return whether a text looks like the path of a file that does not exist, perhaps mistyped."""
    path = argument.strip()
    suffixes = TABLE_SUFFIXES | TEXT_SUFFIXES | IMAGE_SUFFIXES
    return len(path) < 256 and len(path.split()) == 1 and (path.endswith("/") or Path(path).suffix.lower() in suffixes)


def _list_folder(folder: Path, kind: SampleKind) -> list[SampleValue]:
    """Return the samples in a folder and its subfolders."""
    suffixes = IMAGE_SUFFIXES if kind == "image" else TEXT_SUFFIXES
    try:
        candidates = (path for path in walk_files(folder) if path.suffix.lower() in suffixes)
        # Regular files only: reading a pipe would wait forever. A broken link becomes an error of its own.
        paths: list[SampleValue] = [path for path in candidates if path.is_file() or not path.exists()]
    except OSError as fault:
        raise DatasetError(f"{fault.filename} cannot be read ({fault.strerror}). Check its permissions.") from None
    if not paths:
        raise DatasetError(
            f"{folder} and its subfolders have no {SAMPLE_FILE_NOUNS[kind]}. Give another folder, or files."
        )
    return paths


def _parse_pairs(arguments: Sequence[str]) -> tuple[SampleValue, ...]:
    for one in arguments:
        if _is_path(one, Path.is_dir):
            raise click.UsageError(f"{one} is a folder, and the model takes pairs of texts. Give a table of them.")
    if len(arguments) % 2:
        raise click.UsageError(
            f"the model takes pairs of texts, and there are {len(arguments)} texts. Give them two by two, in quotes."
        )
    texts = [_read_text(one) for one in arguments]
    return tuple(zip(texts[::2], texts[1::2], strict=True))


def _read_text(argument: str) -> str:
    """Return an argument of a pair, or the text in the file of that name."""
    if not _is_path(argument, Path.is_file):
        return argument
    try:
        return decode_text_sample(Path(argument).read_bytes(), 1)[0]
    except (OSError, InputError) as fault:
        raise click.ClickException(f"{argument}: {fault}") from None


def _read_table(path: Path, kind: SampleKind, columns: Sequence[str], sheet_name: str) -> SampleTable:
    sheet = read_table(path, sheet_name)
    if not sheet.rows:
        raise DatasetError(f"{path} has a header but no rows. Add a row for each sample.")
    return SampleTable(path, sheet, _find_columns(ColumnSearch(str(path), sheet), kind, columns, path))


def _find_columns(search: ColumnSearch, kind: SampleKind, names: Sequence[str], path: Path) -> tuple[int, ...]:
    """Return the columns of the samples: those in `names`, else found by name and content as finetune does."""
    column_count = 2 if kind == "pair" else 1
    if names and len(names) != column_count:
        noun = "one column: give --column once" if column_count == 1 else "pairs of texts: give --column 2 times"
        raise click.UsageError(f"the model takes {noun}.")
    if names:
        return tuple(search.find_named(name, "--column") for name in names)
    numbers: tuple[int, ...]
    search.find_first(SPLIT_COLUMNS)  # so that no label or split is taken for a text
    search.find_first(LABEL_COLUMNS)
    if kind == "image":
        number = search.find_image_paths()
        number = search.find_first(PATH_COLUMNS) if number is None else number
        numbers = () if number is None else (number,)
    else:
        numbers = search.find_text_pair() if kind == "pair" else (search.find_text() or search.find_only_text())
    if not numbers:
        noun = {"image": "the path of an image", "text": "the text", "pair": "a pair of texts"}[kind]
        raise DatasetError(
            f"{path} has no column that is clearly {noun}. {search.describe_columns()} Name it with --column"
            f"{' A --column B' if column_count == 2 else ' NAME'}."
        )
    return numbers


@dataclass(frozen=True, slots=True)
class SingleSample:
    """A sample that is not in a table."""

    value: SampleValue

    def to_bytes(self, kind: SampleKind) -> bytes:
        """Return the sample as the bytes that a model takes.

        Raises:
            InputError: a file cannot be read, or a text is invalid.
        """
        return pack_sample(self.value, kind)


@dataclass(frozen=True, slots=True)
class SampleTable:
    """A table whose rows are samples."""

    path: Path
    sheet: DataTable
    columns: tuple[int, ...]  # numbers of the column of the path, of the text, or of both texts

    def notes(self) -> tuple[str, ...]:
        """Return notes for the user on how the table was read."""
        names = ", ".join(f'"{self.sheet.column_names[number]}"' for number in self.columns)
        return (*self.sheet.notes, f"{self.path}: the samples are in {names}.")


@dataclass(frozen=True, slots=True)
class TableSample:
    """A sample that is a row of a table."""

    table: SampleTable
    row: DataRow

    def to_bytes(self, kind: SampleKind) -> bytes:
        """Return the sample as the bytes that a model takes; paths of images are relative to the table's folder.

        Raises:
            InputError: a file cannot be read, or a cell is empty.
        """
        if self.row.ragged_width:
            raise InputError(
                f"the row has {self.row.ragged_width} cells, more than there are columns; quote cells with delimiters."
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
    """All samples, in order; rows of tables become samples during iteration."""

    parts: tuple[SampleTable | tuple[SampleValue, ...], ...]

    @property
    def tables(self) -> tuple[SampleTable, ...]:
        """The tables among them."""
        return tuple(part for part in self.parts if isinstance(part, SampleTable))

    @property
    def singles(self) -> tuple[SampleValue, ...]:
        """The samples that are not in a table."""
        return tuple(chain.from_iterable(part for part in self.parts if not isinstance(part, SampleTable)))

    def __len__(self) -> int:
        return sum(len(part.sheet.rows) if isinstance(part, SampleTable) else len(part) for part in self.parts)

    def __iter__(self) -> Iterator[PredictSample]:
        for part in self.parts:
            if isinstance(part, SampleTable):
                yield from (TableSample(part, row) for row in part.sheet.rows)
            else:
                yield from map(SingleSample, part)
