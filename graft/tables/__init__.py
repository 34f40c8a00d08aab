"""Read tables: CSV, TSV, Orange .tab, JSON Lines, Parquet, Excel; and find the columns of samples and labels."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from graft.errors import DatasetError
from graft.tables import delimited, jsonl_parquet_excel
from graft.tables.column_search import ColumnSearch
from graft.tables.table import DataRow, DataTable

__all__ = ["TABLE_SUFFIXES", "ColumnSearch", "DataRow", "DataTable", "read_table"]

JSON_SUFFIXES: Final = frozenset((".jsonl", ".ndjson", ".json"))
PARQUET_SUFFIXES: Final = frozenset((".parquet", ".pq"))
EXCEL_SUFFIXES: Final = frozenset((".xlsx", ".xlsm"))
UNSUPPORTED_SUFFIXES: Final = frozenset((".xls", ".xlsb", ".ods"))
TABLE_SUFFIXES: Final = (
    JSON_SUFFIXES | PARQUET_SUFFIXES | EXCEL_SUFFIXES | UNSUPPORTED_SUFFIXES | {".csv", ".tsv", ".tab"}
)


def read_table(path: Path, sheet: str = "") -> DataTable:
    """Read a table: CSV, TSV, Orange's .tab, JSON Lines, Parquet, or the sheet of that name of an Excel workbook.

    Raises:
        DatasetError: the file is not a readable table, or has no such sheet.
        MissingExtra: the package for its format is not installed.
    """
    suffix = path.suffix.lower()
    if sheet and suffix not in EXCEL_SUFFIXES:
        raise DatasetError(f"{path} has no sheets; --sheet is for Excel workbooks.")
    if suffix in JSON_SUFFIXES:
        return jsonl_parquet_excel.read_json(path)
    if suffix in PARQUET_SUFFIXES:
        return jsonl_parquet_excel.read_parquet(path)
    if suffix in EXCEL_SUFFIXES:
        return jsonl_parquet_excel.read_excel(path, sheet)
    if suffix in UNSUPPORTED_SUFFIXES:
        raise DatasetError(f"{path} is in a format that is not supported. Save it as .xlsx or as CSV in UTF-8.")
    return delimited.read_delimited(path)
