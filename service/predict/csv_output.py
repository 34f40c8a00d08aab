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

Where the CSV of `predict` goes: a file that is there whole or as it was before, or standard output.
"""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, TextIO

import click

from graft.errors import GraftError
from graft.inputs.sample_files import printable_path
from graft.storage.atomic_file import open_atomic
from graft.tables.table import parse_number
from service.answers import Candidate, Prediction, Tags, Value
from service.predict.inputs import PredictInputs, PredictSample, SampleTable, SingleSample
from service.predict.run import PredictionOutcome, Predictor

FORMULA_PREFIXES: Final = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")


ColumnKey = tuple[str, int]  # a column's name, and which of those that are called so


class CsvOutput:
    """Rows on their way into a file."""

    def __init__(self, file: TextIO, predictor: Predictor, inputs: PredictInputs, top: int) -> None:
        """Write the header."""
        self._writer = csv.writer(file, lineterminator="\n")
        self._tables = inputs.tables
        self._top = min(top, len(predictor.labels))
        self._has_novelty = predictor.can_answer_unknown
        self._tags_as_json = any(";" in label for label in predictor.labels)
        self._source_columns = _list_source_columns(inputs)
        self._column_keys = tuple(dict.fromkeys(key for table in self._tables for key in _list_column_keys(table)))
        answer = self._answer_columns(predictor.task)
        self._blank_count = len(answer) - 1
        names = [one for one, _ in self._column_keys]
        source_names = _prefix_on_collision(self._source_columns, names, "sample_")
        self._write_row([*source_names, *names, *_prefix_on_collision(answer, [*source_names, *names], "predicted_")])

    def add(self, sample: PredictSample, outcome: PredictionOutcome) -> None:
        """Write one row."""
        source_cells = _source_cells(sample)
        before = [source_cells.get(one, "") for one in self._source_columns]
        cells: dict[ColumnKey, str] = {}
        if not isinstance(sample, SingleSample):
            cells = dict(zip(_list_column_keys(sample.table), sample.row.cells, strict=True))
        self._write_row([*before, *(cells.get(key, "") for key in self._column_keys), *self._answer_cells(outcome)])

    def _answer_columns(self, task: str) -> list[str]:
        if task == "regress":
            return ["value", "error"]
        ranks = ["", *(f"_{rank}" for rank in range(2, self._top + 1))]
        best = [f"{what}{rank}" for rank in ranks for what in ("label", "probability")]
        novelty = ["best", "novelty", "threshold"] if self._has_novelty else []
        return [*(["tags"] if task == "tag" else []), *best, *novelty, "error"]

    def _answer_cells(self, said: PredictionOutcome) -> list[str]:
        match said:
            case GraftError():
                return [""] * self._blank_count + [str(said)]
            case Value():
                return [repr(said.value), ""]
            case Prediction():
                return [said.label, *self._candidate_cells(said.top)[1:], *self._novelty_cells(said), ""]
            case Tags():
                tags = [one.label for one in said.tags]
                tag_cell = json.dumps(tags, ensure_ascii=False) if self._tags_as_json else ";".join(tags)
                return [tag_cell, *self._candidate_cells(said.top), ""]

    def _candidate_cells(self, top: Sequence[Candidate]) -> list[str]:
        return [cell for one in top[: self._top] for cell in (one.label, repr(one.probability))]

    def _novelty_cells(self, said: Prediction) -> list[str]:
        return [said.top[0].label, repr(said.novelty), repr(said.threshold)] if self._has_novelty else []

    def _write_row(self, cells: Sequence[str]) -> None:
        self._writer.writerow([escape_formula(cell) for cell in cells])


def escape_formula(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell.startswith(FORMULA_PREFIXES) and parse_number(cell) is None else cell


def _prefix_on_collision(names: Sequence[str], other_names: Sequence[str], prefix: str) -> list[str]:
    """Return `column_names`, all with `prefix` where one of them is taken."""
    while {*names} & {*other_names}:
        names = [prefix + one for one in names]
    return [*names]


def _list_source_columns(samples: PredictInputs) -> list[str]:
    """Return the columns that tell where a sample is from."""
    loose = samples.singles
    found = ["file"] if any(isinstance(one, Path) for one in loose) else []
    found += ["text"] if any(isinstance(one, str) for one in loose) else []
    found += ["text_a", "text_b"] if any(isinstance(one, tuple) for one in loose) else []
    several = len(samples.tables) + bool(loose) > 1
    return found + (["table", "row"] if several and samples.tables else [])


def _source_cells(sample: PredictSample) -> dict[str, str]:
    if not isinstance(sample, SingleSample):
        return {"table": printable_path(sample.table.path), "row": sample.row.ref}
    match sample.value:
        case Path() as path:
            return {"file": printable_path(path)}
        case str() as text:
            return {"text": text}
        case (first, second):
            return {"text_a": first, "text_b": second}


def _list_column_keys(table: SampleTable) -> list[ColumnKey]:
    """Return the columns of a table; two of the same name stay two."""
    seen: Counter[str] = Counter()
    keys = []
    for one in table.sheet.column_names:
        keys.append((one, seen[one]))
        seen[one] += 1
    return keys


@contextmanager
def open_csv_output(destination: str, predictor: Predictor, inputs: PredictInputs, top: int) -> Iterator[CsvOutput]:
    """Open the CSV file `destination`, or standard output for "-". A file is there whole at the end, or as it was before.

    Raises:
        click.ClickException: nothing can be written there.
    """
    if destination == "-":
        with _wrap_text(sys.stdout.buffer) as file:
            yield CsvOutput(file, predictor, inputs, top)
        return
    path = resolve_destination(destination, inputs)
    try:
        with open_atomic(path) as temporary:
            os.chmod(temporary.fileno(), _file_mode(path))
            with _wrap_text(temporary) as file:
                yield CsvOutput(file, predictor, inputs, top)
    except OSError as fault:
        raise click.ClickException(f"{destination} cannot be written ({fault.strerror}). Name another file.") from None


def resolve_destination(destination: str, inputs: PredictInputs) -> Path:
    """Return the path of the file to write; a link is followed.

    Raises:
        click.ClickException: it is no place for a file, or one of the samples.
    """
    path = Path(destination).resolve()
    if not path.parent.is_dir():
        raise click.ClickException(
            f"there is no folder {str(Path(destination).parent)!r} to write {path.name} to. Make it."
        )
    if path.exists() and not path.is_file():
        raise click.ClickException(f"{destination} is no regular file. Name a file, or - for standard output.")
    input_paths = [table.path for table in inputs.tables] + [one for one in inputs.singles if isinstance(one, Path)]
    if path.exists() and any(_is_same_file(one, path.stat()) for one in input_paths):
        raise click.ClickException(f"{destination} is one of the samples and would be lost. Name another file.")
    return path


def _is_same_file(sample: Path, facts: os.stat_result) -> bool:
    try:
        return os.path.samestat(sample.stat(), facts)
    except (OSError, ValueError):  # it is not there, or no path can be so
        return False


@contextmanager
def _wrap_text(file: BinaryIO) -> Iterator[TextIO]:
    """Write text to a binary file, which stays open."""
    text = io.TextIOWrapper(file, encoding="utf-8", errors="replace", newline="")
    try:
        yield text
        text.flush()
    finally:
        text.detach()


def _file_mode(path: Path) -> int:
    """Return the permissions that a file has, or that a new one gets here."""
    if path.exists():
        return path.stat().st_mode & 0o777
    mask = os.umask(0o077)
    os.umask(mask)
    return 0o666 & ~mask
