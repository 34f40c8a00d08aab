"""A CSV file that names pictures and their labels, perhaps their split, as a dataset."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from finetune.dataset import PART_NAMES, Dataset, Part, Sample
from finetune.folder import PICTURE
from zoo.errors import DatasetError

PATHS: Final = (
    "path",
    "file",
    "filename",
    "file_name",
    "filepath",
    "file_path",
    "image",
    "image_path",
    "img",
    "picture",
)
LABELS: Final = ("label", "class", "category", "target", "class_name", "label_name", "species", "y")
SPLITS: Final = ("split", "subset", "part", "partition", "set")

Row = Sequence[str]


@dataclass(frozen=True, slots=True)
class Columns:
    """Which column is what; `header` says whether the first row names them."""

    path: int
    label: int
    split: int | None
    header: bool


def load(table: Path) -> Dataset:
    """Read a CSV file (comma, semicolon or tab; UTF-8); its paths are relative to the file.

    Columns are found by their names, else by what is in them.

    Raises:
        DatasetError: it cannot be read, lacks a column, or a row is incomplete.
    """
    numbered = _rows(table)
    columns = _columns(table, [row for _, row in numbered])
    samples = [_sample(table, line, row, columns) for line, row in numbered[columns.header :]]
    return Dataset(str(table), tuple(sorted(samples, key=lambda sample: sample.ref)))


def _rows(table: Path) -> list[tuple[int, Row]]:
    """Return the rows that are not blank, each with its line number."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            file.seek(0)
            rows = csv.reader(file, delimiter=max(",;\t", key=first.count), strict=True)
            return [(rows.line_num, [cell.strip() for cell in row]) for row in rows if any(map(str.strip, row))]
    except UnicodeDecodeError:
        raise DatasetError(f"{table} is not UTF-8 text. Give a CSV file saved as UTF-8, or a folder.") from None
    except csv.Error as fault:
        raise DatasetError(f"{table} is no CSV file that can be read ({fault}). Save it again as CSV.") from None
    except OSError as fault:
        raise DatasetError(f"{table} cannot be read ({fault.strerror}). Check its permissions.") from None


def _columns(table: Path, rows: list[Row]) -> Columns:
    if not rows:
        raise DatasetError(f"{table} is empty. It needs a path and a label column, and a row for each picture.")
    header = not any(map(_is_picture, rows[0]))
    names = [cell.lower() for cell in rows[0]] if header else []
    body = rows[header:]

    def find(known: tuple[str, ...], fits: Callable[[str], bool]) -> int | None:
        for name in known:
            if name in names:
                return names.index(name)
        wide = range(min(map(len, body), default=0))
        return next((n for n in wide if all(fits(row[n]) for row in body)), None)

    path = find(PATHS, _is_picture)
    split = find(SPLITS, lambda cell: cell.lower() in PART_NAMES)
    left = [n for n in range(len(rows[0])) if n not in (path, split)]
    label = find(LABELS, lambda _: False)
    if label is None and len(left) == 1:
        label = left[0]
    if path is None or label is None:
        what, known = ("path", PATHS) if path is None else ("label", LABELS)
        raise DatasetError(
            f"{table} has no column that is surely the {what} of a picture; its columns are "
            f"{', '.join(map(repr, rows[0]))}. Call one of them {' or '.join(map(repr, known[:3]))}."
        )
    return Columns(path, label, split, header)


def _is_picture(cell: str) -> bool:
    return Path(cell).suffix.lower() in PICTURE


def _sample(table: Path, line: int, row: Row, columns: Columns) -> Sample:
    needed = [n for n in (columns.path, columns.label, columns.split) if n is not None]
    if len(row) <= max(needed) or not row[columns.path] or not row[columns.label]:
        raise DatasetError(f"{table}, line {line}: the path or the label is missing. Complete the row or remove it.")
    part: Part | None = None
    if columns.split is not None:
        word = row[columns.split]
        if word.lower() not in PART_NAMES:
            raise DatasetError(
                f"{table}, line {line}: {word!r} is no part of a split. Allowed are train, val (valid, validation) "
                "and test; rename the column if it means something else."
            )
        part = PART_NAMES[word.lower()]
    return Sample(row[columns.path], row[columns.label], part, table.parent / row[columns.path])
