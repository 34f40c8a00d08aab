"""A table as all file formats give it: named columns of text cells, each row with where it stands."""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DataRow:
    """One row; a missing cell is ""."""

    ref: str  # "line 17" or "row 17"
    cells: tuple[str, ...]  # as many as there are columns
    ragged_width: int = 0  # how many cells the file has for it, where that is another number


@dataclass(frozen=True, slots=True)
class DataTable:
    """The rows of a table under the names of its columns."""

    column_names: tuple[str, ...]
    rows: tuple[DataRow, ...]
    notes: tuple[str, ...] = ()
    label_column: str = ""  # the column that the file itself marks as what is to be learnt

    def column(self, number: int) -> list[str]:
        """Return the cells of one column."""
        return [row.cells[number] for row in self.rows]


def pad_row(ref: str, cells: Sequence[str], width: int) -> DataRow:
    """Return a row of exactly `width` cells: missing ones at the end are empty, further ones are remembered."""
    full = (*cells[:width], *("",) * (width - len(cells)))
    return DataRow(ref, full, len(cells) if len(cells) > width else 0)


def cell_text(value: object) -> str:
    """Return a value as the text that a person would write: 3.0 is "3", None and NaN are "", lists are JSON."""
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
    """Return the finite number that `text` writes; None if it writes none."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and "_" not in text else None


def table_from_records(records: Iterable[tuple[str, dict[str, object]]]) -> DataTable:
    """Return the sheet of records, each with its ref; its columns are all their keys, in order of appearance."""
    all_records = list(records)
    names = tuple(dict.fromkeys(name for _, record in all_records for name in record))
    return DataTable(
        names, tuple(DataRow(ref, tuple(cell_text(record.get(name)) for name in names)) for ref, record in all_records)
    )
