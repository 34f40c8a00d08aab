"""Read JSON Lines, Parquet and Excel files, whose cells have types."""

from __future__ import annotations

import json
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path

from graft.errors import DatasetError, MissingExtra
from graft.tables.table import DataRow, DataTable, cell_text, table_from_records


def read_json(path: Path) -> DataTable:
    """Read JSON Lines, one object per line, or one JSON list of objects.

    Raises:
        DatasetError: the file is neither; the message names the line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as fault:
        raise DatasetError(
            f"{path} is not UTF-8 text ({fault.reason} at byte {fault.start:,}). Save it as UTF-8."
        ) from None
    except OSError as fault:
        raise DatasetError(f"{path} cannot be read ({fault.strerror}). Check its permissions.") from None
    return table_from_records(_parse_list(path, text) if text.lstrip().startswith("[") else _parse_lines(path, text))


def _parse_lines(path: Path, text: str) -> Iterator[tuple[str, dict[str, object]]]:
    # Only \n ends a line: a JSON string may contain U+2028.
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield f"line {number}", _parse_object(path, f"line {number}", line)


def _parse_object(path: Path, ref: str, line: str) -> dict[str, object]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as fault:
        raise DatasetError(f"{path}, {ref}: not JSON ({fault}). Each line must be an object.") from None
    if not isinstance(record, dict):
        raise DatasetError(
            f'{path}, {ref}: not an object. Each line must be one, such as {{"text": "…", "label": "…"}}.'
        )
    return record


def _parse_list(path: Path, text: str) -> Iterator[tuple[str, dict[str, object]]]:
    try:
        records = json.loads(text)
    except (ValueError, RecursionError) as fault:
        raise DatasetError(f"{path} is not JSON ({fault}). It must be a list of objects, or JSON Lines.") from None
    for number, record in enumerate(records, 1):
        if not isinstance(record, dict):
            raise DatasetError(
                f"{path}: entry {number} is not an object. The list must have an object for each sample."
            )
        yield f"entry {number}", record


def read_parquet(path: Path) -> DataTable:
    """Read a Parquet file.

    Raises:
        DatasetError: the file is not Parquet.
        MissingExtra: pyarrow is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError:
        raise _missing_package_error("pyarrow", "Parquet") from None
    try:
        records = pyarrow.parquet.read_table(path).to_pylist()
    except (pyarrow.ArrowException, OSError) as fault:
        raise DatasetError(
            f"{path} is not a readable Parquet file ({fault}). Write it again, or save it as CSV in UTF-8."
        ) from None
    return table_from_records((f"row {number}", record) for number, record in enumerate(records, 1))


def read_excel(path: Path, sheet_name: str) -> DataTable:
    """Read a sheet of an Excel workbook: the one called `sheet_name`, else the only one with data.

    The first row is the header.

    Raises:
        DatasetError: not a workbook, no such sheet, or several sheets have data and none is named.
        MissingExtra: openpyxl is not installed.
    """
    try:
        import openpyxl
    except ModuleNotFoundError:
        raise _missing_package_error("openpyxl", "Excel") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about styles and extensions, which are not read
            workbook = openpyxl.load_workbook(path, read_only=True, data_only=True)
            sheets = {sheet.title: _non_blank_rows(sheet.iter_rows(values_only=True)) for sheet in workbook.worksheets}
            workbook.close()
    except (zipfile.BadZipFile, KeyError, ValueError, OSError, openpyxl.utils.exceptions.InvalidFileException) as fault:
        raise DatasetError(f"{path} is not a readable Excel workbook ({fault}). Save it as .xlsx.") from None
    return _choose_sheet(path, sheets, sheet_name)


def _choose_sheet(path: Path, sheets: dict[str, list[DataRow]], sheet_name: str) -> DataTable:
    filled = [name for name, rows in sheets.items() if rows]
    if sheet_name and sheet_name not in sheets:
        raise DatasetError(f"{path} has no sheet {sheet_name!r}; it has {', '.join(map(repr, sheets))}.")
    if not sheet_name and len(filled) > 1:
        raise DatasetError(
            f"{path} has {len(filled)} sheets with data: {', '.join(map(repr, filled))}. "
            f"Choose one with --sheet, such as --sheet {filled[0]!r}."
        )
    name = sheet_name or (filled[0] if filled else "")
    if not sheets.get(name):
        raise DatasetError(f"{path}{f', sheet {name!r},' if name else ''} is empty. It needs a header and rows.")
    header, *rows = sheets[name]
    return DataTable(header.cells, tuple(rows), (f"sheet: {name!r}",) if len(sheets) > 1 else ())


def _non_blank_rows(rows: Iterator[tuple[object, ...]]) -> list[DataRow]:
    """Return the rows that are not blank, all as wide as the first one."""
    non_blank = [
        (number, cells)
        for number, values in enumerate(rows, 1)
        if any(cells := tuple(cell_text(value) for value in values))
    ]
    if not non_blank:
        return []
    header = non_blank[0][1]
    width = max(index + 1 for index, name in enumerate(header) if name)
    return [DataRow(f"row {number}", (*cells[:width], *("",) * (width - len(cells)))) for number, cells in non_blank]


def _missing_package_error(package: str, what: str) -> MissingExtra:
    return MissingExtra(
        f"{what} files need the package {package}: pip install {package}, or install Graft with the extra `train`, "
        "which has it. Or save the table as CSV in UTF-8."
    )
