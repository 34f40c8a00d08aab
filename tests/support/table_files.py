"""The same eight rows as a table of every format."""

import json
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet

ROWS = [(f"{word} price number {n}, and more", label) for n in range(4) for word, label in (("cat", "a"), ("dog", "b"))]
RECORDS = [{"review": text, "stars": label} for text, label in ROWS]


def csv(delimiter: str, encoding: str = "utf-8") -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        lines = [f'"{text}"{delimiter}{label}' for text, label in ROWS]
        path = folder / "t.csv"
        path.write_bytes("\n".join([f"review{delimiter}stars", *lines]).encode(encoding))
        return path

    return write


def bare(folder: Path) -> Path:
    (folder / "t.csv").write_text("\n".join(f'"{text}",{label}' for text, label in ROWS))
    return folder / "t.csv"


def jsonl(folder: Path) -> Path:
    (folder / "t.jsonl").write_text("\n".join(map(json.dumps, RECORDS)) + "\n\n")
    return folder / "t.jsonl"


def listed(folder: Path) -> Path:
    (folder / "t.json").write_text(json.dumps(RECORDS))
    return folder / "t.json"


def parquet(folder: Path) -> Path:
    pyarrow.parquet.write_table(pa.Table.from_pylist(RECORDS), folder / "t.parquet")
    return folder / "t.parquet"


def excel(folder: Path, second: bool = False) -> Path:
    book = openpyxl.Workbook()
    for row in [("review", "stars"), *ROWS]:
        book.active.append(row)
    empty = book.create_sheet("Other")
    if second:
        empty.append(("review", "stars"))
        empty.append(("one", "x"))
    book.save(folder / "t.xlsx")
    book.close()
    return folder / "t.xlsx"


def orange(folder: Path) -> Path:
    lines = ["stars\treview", "d\tstring", "class\t", *(f"{label}\t{text}" for text, label in ROWS)]
    (folder / "t.tab").write_text("\n".join(lines))
    return folder / "t.tab"


def plain_tab(folder: Path) -> Path:
    return csv("\t")(folder).rename(folder / "t.tab")


FORMATS = {
    "comma": csv(","), "semicolon": csv(";"), "tab": csv("\t"), "bar": csv("|"), "BOM": csv(",", "utf-8-sig"),
    "UTF-16": csv("\t", "utf-16"), "no header": bare, "JSON Lines": jsonl, "JSON": listed, "Parquet": parquet,
    "Excel": excel, "Orange": orange,
    "no Orange": plain_tab,
}  # fmt: skip
