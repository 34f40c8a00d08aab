"""A file -> its table, by the ending of its name."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from zoo.errors import DatasetError
from zoo.table import delimited, records
from zoo.table.sheet import Sheet

JSON: Final = frozenset((".jsonl", ".ndjson", ".json"))
PARQUET: Final = frozenset((".parquet", ".pq"))
EXCEL: Final = frozenset((".xlsx", ".xlsm"))
REFUSED: Final = frozenset((".xls", ".xlsb", ".ods"))
SUFFIXES: Final = JSON | PARQUET | EXCEL | REFUSED | {".csv", ".tsv", ".tab"}  # of files that are tables


def read(path: Path, sheet: str = "") -> Sheet:
    """Read a table: CSV, TSV, Orange's .tab, JSON Lines, Parquet, or the sheet of that name of an Excel workbook.

    Raises:
        DatasetError: it is none that can be read, or has no such sheet.
        MissingExtra: a package that its format needs is not installed.
    """
    suffix = path.suffix.lower()
    if sheet and suffix not in EXCEL:
        raise DatasetError(f"{path} has no sheets; --sheet is for Excel workbooks.")
    if suffix in JSON:
        return records.read_json(path)
    if suffix in PARQUET:
        return records.read_parquet(path)
    if suffix in EXCEL:
        return records.read_excel(path, sheet)
    if suffix in REFUSED:
        raise DatasetError(f"{path} is in a format that is not read. Save it as .xlsx or as CSV in UTF-8.")
    return delimited.read(path)
