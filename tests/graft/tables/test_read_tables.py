"""Tables in every format, and files that are none."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from graft.errors import DatasetError
from graft.tables import ColumnSearch, DataTable, read_table
from graft.tables.table import DataRow
from tests.support.table_files import FORMATS, ROWS, excel


@pytest.mark.parametrize("write", FORMATS.values(), ids=FORMATS)
def test_every_table_format_gives_the_same_rows(tmp_path: Path, write: Callable[[Path], Path]) -> None:
    sheet = read_table(write(tmp_path))
    assert {tuple(sorted(row.cells)) for row in sheet.rows} == {tuple(sorted(row)) for row in ROWS}
    assert len(sheet.rows) == len(ROWS)
    assert len({row.ref for row in sheet.rows}) == len(ROWS)


def test_excel_workbook_with_two_sheets_needs_a_choice(tmp_path: Path) -> None:
    path = excel(tmp_path, second=True)
    with pytest.raises(DatasetError, match=r"'Sheet', 'Other'.*--sheet"):
        read_table(path)
    assert len(read_table(path, "Sheet").rows) == len(ROWS)
    with pytest.raises(DatasetError, match="no sheet 'Third'; it has 'Sheet', 'Other'"):
        read_table(path, "Third")


@pytest.mark.parametrize("name", ["t.jsonl", "t.json", "t.parquet", "t.xlsx", "t.xls"])
@pytest.mark.parametrize("data", [b"[", b"1\n", b"\x00\xff\xfe", b"PK\x03\x04"])
def test_invalid_table_file_is_refused_with_its_name(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DatasetError, match=name):
        read_table(tmp_path / name)


@pytest.mark.parametrize(("name", "package"), [("t.parquet", "pyarrow"), ("t.xlsx", "openpyxl")])
def test_table_format_without_its_package_says_which(tmp_path: Path, name: str, package: str) -> None:
    script = (
        f"import sys; sys.modules[{package!r}] = None; from graft.tables import read_table; from pathlib import Path; "
    )
    ran = subprocess.run(
        [sys.executable, "-c", f"{script}read_table(Path({name!r}))"], capture_output=True, text=True, check=False
    )
    assert "MissingExtra" in ran.stderr
    assert f"pip install {package}" in ran.stderr


def test_number_columns_are_no_text_columns() -> None:
    sheet = DataTable(("id", "words"), (DataRow("line 2", ("1", "cat")), DataRow("line 3", ("2", "dog"))))
    assert ColumnSearch("t", sheet).find_text() == ()
    assert ColumnSearch("t", sheet).find_only_text() == (1,)
