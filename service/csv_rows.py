"""The CSV that `predict` writes: a row for each sample, with all the columns of its table before the answer.

    file | text | text_a, text_b    what stands in no table: a path, a text, a pair of texts
    table, row                      where samples come from several places: which table, and where in it
    (the table's own columns)       as they are
    label, probability, label_2, …  classify: the most probable labels, best first
    best, novelty, threshold        of a model that may say "unknown" in `label`: the class that is most probable
    tags, label, probability, …     tag: the tags between ";" (a JSON list where one holds a ";"), then as above
    value                           regress
    error                           why there is no answer

Where a table has a column of such a name already, all the columns of the answer begin with "predicted_", and those
before the table's with "sample_".
A spreadsheet would run a cell that begins with = + - @ as a formula: such a cell gets a ' before it, unless it is a
number. JSON is left as it is.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TextIO

from service.calls import Candidate, Prediction, Tags, Value
from service.predicting import Oracle, Said
from service.samples import Given, Loose, Sample, Table
from zoo.errors import GraftError
from zoo.folders import shown
from zoo.table.sheet import as_number

FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
Key = tuple[str, int]  # a column's name, and which of those that are called so


class Csv:
    """Rows on their way into a file."""

    def __init__(self, file: TextIO, oracle: Oracle, samples: Given, top: int) -> None:
        """Write the header."""
        self._rows = csv.writer(file, lineterminator="\n")
        self._tables = samples.tables
        self._top = min(top, len(oracle.labels))
        self._rejects = oracle.rejects
        self._as_json = any(";" in label for label in oracle.labels)
        self._before = _before(samples)
        self._keys = tuple(dict.fromkeys(key for table in self._tables for key in _keys(table)))
        answer = self._answer(oracle.task)
        self._blank = len(answer) - 1
        names = [one for one, _ in self._keys]
        first = _apart(self._before, names, "sample_")
        self._write([*first, *names, *_apart(answer, [*first, *names], "predicted_")])

    def add(self, sample: Sample, said: Said) -> None:
        """Write one row."""
        asked = _asked(sample)
        before = [asked.get(one, "") for one in self._before]
        cells: dict[Key, str] = {}
        if not isinstance(sample, Loose):
            cells = dict(zip(_keys(sample.table), sample.row.cells, strict=True))
        self._write([*before, *(cells.get(key, "") for key in self._keys), *self._said(said)])

    def _answer(self, task: str) -> list[str]:
        if task == "regress":
            return ["value", "error"]
        ranks = ["", *(f"_{rank}" for rank in range(2, self._top + 1))]
        best = [f"{what}{rank}" for rank in ranks for what in ("label", "probability")]
        novelty = ["best", "novelty", "threshold"] if self._rejects else []
        return [*(["tags"] if task == "tag" else []), *best, *novelty, "error"]

    def _said(self, said: Said) -> list[str]:
        match said:
            case GraftError():
                return [""] * self._blank + [str(said)]
            case Value():
                return [repr(said.value), ""]
            case Prediction():
                return [said.label, *self._best(said.top)[1:], *self._novelty(said), ""]
            case Tags():
                tags = [one.label for one in said.tags]
                told = json.dumps(tags, ensure_ascii=False) if self._as_json else ";".join(tags)
                return [told, *self._best(said.top), ""]

    def _best(self, top: Sequence[Candidate]) -> list[str]:
        return [cell for one in top[: self._top] for cell in (one.label, repr(one.probability))]

    def _novelty(self, said: Prediction) -> list[str]:
        return [said.top[0].label, repr(said.novelty), repr(said.threshold)] if self._rejects else []

    def _write(self, cells: Sequence[str]) -> None:
        self._rows.writerow([harmless(cell) for cell in cells])


def harmless(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell.startswith(FORMULA) and as_number(cell) is None else cell


def _apart(names: Sequence[str], taken: Sequence[str], prefix: str) -> list[str]:
    """Return `names`, all with `prefix` where one of them is taken."""
    while {*names} & {*taken}:
        names = [prefix + one for one in names]
    return [*names]


def _before(samples: Given) -> list[str]:
    """Return the columns that tell where a sample is from."""
    loose = samples.loose
    found = ["file"] if any(isinstance(one, Path) for one in loose) else []
    found += ["text"] if any(isinstance(one, str) for one in loose) else []
    found += ["text_a", "text_b"] if any(isinstance(one, tuple) for one in loose) else []
    several = len(samples.tables) + bool(loose) > 1
    return found + (["table", "row"] if several and samples.tables else [])


def _asked(sample: Sample) -> dict[str, str]:
    if not isinstance(sample, Loose):
        return {"table": shown(sample.table.path), "row": sample.row.ref}
    match sample.asked:
        case Path() as path:
            return {"file": shown(path)}
        case str() as text:
            return {"text": text}
        case (first, second):
            return {"text_a": first, "text_b": second}


def _keys(table: Table) -> list[Key]:
    """Return the columns of a table; two of the same name stay two."""
    seen: Counter[str] = Counter()
    keys = []
    for one in table.sheet.names:
        keys.append((one, seen[one]))
        seen[one] += 1
    return keys
