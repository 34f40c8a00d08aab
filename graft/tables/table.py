"""A table, whatever its file format: named columns, and rows of text cells with their position in the file."""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DataRow:
    """One row; an empty or missing cell is ""."""

    ref: str  # its position in the file: "line 17" or "row 17"
    cells: tuple[str, ...]  # one for each column
    ragged_width: int = 0  # the number of its cells in the file, if there are more than columns


@dataclass(frozen=True, slots=True)
class DataTable:
    """Column names and rows."""

    column_names: tuple[str, ...]
    rows: tuple[DataRow, ...]
    notes: tuple[str, ...] = ()
    label_column: str = ""  # the column that the file marks as the target

    def column(self, number: int) -> list[str]:
        """Return the cells of the column with that number."""
        return [row.cells[number] for row in self.rows]


def pad_row(ref: str, cells: Sequence[str], width: int) -> DataRow:
    """Return a row of exactly `width` cells: missing cells are "", a larger number of cells is recorded."""
    full = (*cells[:width], *("",) * (width - len(cells)))
    return DataRow(ref, full, len(cells) if len(cells) > width else 0)


def cell_text(value: object) -> str:
    """Return a typed value as cell text.

    >>> [cell_text(value) for value in (3.0, None, True, [1, "a"])]
    ['3', '', 'true', '[1, "a"]']
    """
    match value:
        case None:
            return ""
        case str():
            return value.strip()
        case bool():
            return str(value).lower()
        case float():
            if math.isnan(value):
                return ""
            return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
        case datetime.datetime() | datetime.date():
            return value.isoformat()
        case list() | tuple() | dict():
            return json.dumps(value, ensure_ascii=False, default=str)
        case bytes():
            return value.decode(errors="replace")
        case _:
            return str(value).strip()


def parse_number(text: str) -> float | None:
    """Return `text` as a finite number; None if it is not one."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and "_" not in text else None


def table_from_records(records: Iterable[tuple[str, dict[str, object]]]) -> DataTable:
    """Return the table of records, each with its ref; its columns are all their keys in order of appearance."""
    all_records = list(records)
    names = tuple(dict.fromkeys(name for _, record in all_records for name in record))
    return DataTable(
        names, tuple(DataRow(ref, tuple(cell_text(record.get(name)) for name in names)) for ref, record in all_records)
    )
