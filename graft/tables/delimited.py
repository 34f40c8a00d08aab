"""Read CSV, TSV and Orange .tab files: encoding, delimiter and header are detected."""

from __future__ import annotations

import codecs
import csv
import io
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from graft.errors import DatasetError
from graft.tables.column_search import is_image_path, is_known_column
from graft.tables.table import DataTable, pad_row, parse_number

DELIMITERS: Final = (",", ";", "\t", "|")
MAX_SNIFF_ROWS: Final = 200  # rows that the delimiter is detected from
MAX_CELL_CHARS: Final = 64 << 20  # per cell
MIN_TEXT_WORDS: Final = 5  # words from which on a cell of the first row is a text, not a column name
ORANGE_TYPES: Final = frozenset(
    ("", "d", "discrete", "c", "continuous", "s", "string", "t", "time", "basket", "text", "text list")
)

RowsByLine = list[tuple[int, list[str]]]  # line number and cells


def read_delimited(path: Path) -> DataTable:
    """Read a table in UTF-8, with or without a BOM, or in UTF-16 with one; the delimiter and the header are detected.

    Raises:
        DatasetError: the file is not such a text, or not a table.
    """
    text = _decode_file(path)
    delimiter = "\t" if path.suffix.lower() in (".tab", ".tsv") else sniff_delimiter(text)
    try:
        rows = _parse_rows(text, delimiter)
    except csv.Error as fault:
        raise DatasetError(f"{path} is not a readable CSV file ({fault}). Save it again as CSV.") from None
    if not rows:
        raise DatasetError(
            f"{path} is empty. It needs a column of texts or of image paths, a row for each sample, and, for training, "
            "a column of labels."
        )
    if path.suffix.lower() == ".tab" and _is_orange_tab(rows):
        return _parse_orange(rows)
    cells = [row for _, row in rows]
    header = has_header(cells)
    width = len(cells[0]) if header else max(map(len, cells))
    names = tuple(cells[0]) if header else tuple(f"column {number + 1}" for number in range(width))
    notes = () if header else (f"{path.name} has no header: its columns are called 'column 1', 'column 2', …",)
    body = rows[1:] if header else rows
    return DataTable(names, tuple(pad_row(f"line {line}", row, width) for line, row in body), notes)


def sniff_delimiter(text: str) -> str:
    r"""Return the delimiter that splits most rows into the same number of cells, at least two; "," if none does.

    >>> sniff_delimiter("a;b\n1,5;2\n")
    ';'
    """

    def fit(delimiter: str) -> tuple[float, int]:
        try:
            widths = [len(row) for _, row in islice(_parse_rows(text, delimiter, MAX_SNIFF_ROWS), MAX_SNIFF_ROWS)]
        except csv.Error:
            return 0.0, 0
        common = Counter(width for width in widths if width > 1).most_common(1)
        if not common or widths[0] < 2:
            return 0.0, 0
        width, count = common[0]
        # In tenths, so that a single odd row does not decide.
        return round(count / len(widths), 1), width

    return max(DELIMITERS, key=fit)


def has_header(rows: Sequence[Sequence[str]]) -> bool:
    """Return whether the first row is a header."""
    first, body = rows[0], rows[1:]
    if any(map(is_image_path, first)):
        return False
    if any(map(is_known_column, first)):
        return True
    if any(parse_number(cell) is not None or len(cell.split()) >= MIN_TEXT_WORDS for cell in first):
        return False
    # A label in the first row occurs in other rows too; a column name does not.
    return not any(
        cell and any(len(row) > column and row[column] == cell for row in body) for column, cell in enumerate(first)
    )


def _decode_file(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as fault:
        raise DatasetError(f"{path} cannot be read ({fault.strerror}). Check its permissions.") from None
    encoding = "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as fault:
        line = data.count(b"\n", 0, fault.start) + 1
        raise DatasetError(
            f"{path}, line {line}: not UTF-8 text (byte 0x{data[fault.start]:02x}). Save the table as UTF-8: "
            "in Excel, 'CSV UTF-8'; on a command line, iconv -f latin1 -t utf8."
        ) from None


def _parse_rows(text: str, delimiter: str, limit: int | None = None) -> RowsByLine:
    """Return the rows that are not blank, each with the number of its last line."""
    csv.field_size_limit(MAX_CELL_CHARS)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    filled = ((rows.line_num, [cell.strip() for cell in row]) for row in rows if any(map(str.strip, row)))
    return list(islice(filled, limit))


def _is_orange_tab(rows: RowsByLine) -> bool:
    """Return whether the second row has Orange's types, or lists of values: lines of names, types and roles."""
    types = rows[1][1] if len(rows) > 1 else []
    # A list of values has a space in it, as a text has; so at least one cell must be the name of a type.
    return bool(ORANGE_TYPES & {*types} - {""}) and all(cell in ORANGE_TYPES or " " in cell for cell in types)


def _parse_orange(rows: RowsByLine) -> DataTable:
    names = tuple(rows[0][1])
    role_row = rows[2] if len(rows) > 2 and rows[2][0] == 3 else (0, [])  # roles; a blank line was skipped
    roles = [cell.lower() for cell in role_row[1]]
    label = next((name for name, role in zip(names, roles, strict=False) if role == "class"), "")
    body = rows[3:] if role_row[0] else rows[2:]
    return DataTable(names, tuple(pad_row(f"line {line}", row, len(names)) for line, row in body), label_column=label)
