"""CSV output of `predict`: a row for each sample, with all the columns of its table before the answer.

    file | text | text_a, text_b    a sample that is not in a table: a path, a text, a pair of texts
    table, row                      if samples come from several sources: the table, and the position in it
    (the table's own columns)       unchanged
    label, probability, label_2, …  classify: the most probable labels, best first
    best, novelty, threshold        of a model that may answer "unknown" in `label`: the most probable class
    tags, label, probability, …     tag: the tags between ";" (a JSON list if one has a ";"), then as above
    value                           regress
    error                           why there is no answer

If a table has a column of such a name already, all columns of the answer get the prefix "predicted_", and those before
the table's the prefix "sample_". A spreadsheet would run a cell that begins with = + - @ as a formula: such a cell gets
a ' before it, unless it is a number. JSON is left as it is. A file is written atomically: complete, or unchanged.
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


ColumnKey = tuple[str, int]  # a column's name, and its number among the columns of that name


class CsvOutput:
    """Writes a row for each sample."""

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
        top = [f"{name}{rank}" for rank in ranks for name in ("label", "probability")]
        novelty = ["best", "novelty", "threshold"] if self._has_novelty else []
        return [*(["tags"] if task == "tag" else []), *top, *novelty, "error"]

    def _answer_cells(self, outcome: PredictionOutcome) -> list[str]:
        match outcome:
            case GraftError():
                return [""] * self._blank_count + [str(outcome)]
            case Value():
                return [repr(outcome.value), ""]
            case Prediction():
                return [outcome.label, *self._candidate_cells(outcome.top)[1:], *self._novelty_cells(outcome), ""]
            case Tags():
                tags = [one.label for one in outcome.tags]
                tag_cell = json.dumps(tags, ensure_ascii=False) if self._tags_as_json else ";".join(tags)
                return [tag_cell, *self._candidate_cells(outcome.top), ""]

    def _candidate_cells(self, top: Sequence[Candidate]) -> list[str]:
        return [cell for one in top[: self._top] for cell in (one.label, repr(one.probability))]

    def _novelty_cells(self, prediction: Prediction) -> list[str]:
        if not self._has_novelty:
            return []
        return [prediction.top[0].label, repr(prediction.novelty), repr(prediction.threshold)]

    def _write_row(self, cells: Sequence[str]) -> None:
        self._writer.writerow([escape_formula(cell) for cell in cells])


def escape_formula(cell: str) -> str:
    """Return a cell that no spreadsheet runs as a formula.

    >>> escape_formula("=1+1"), escape_formula("-1.5"), escape_formula("a text")
    ("'=1+1", '-1.5', 'a text')
    """
    return f"'{cell}" if cell.startswith(FORMULA_PREFIXES) and parse_number(cell) is None else cell


def _prefix_on_collision(names: Sequence[str], other_names: Sequence[str], prefix: str) -> list[str]:
    """Return `names`, all with `prefix` if one of them is among `other_names`."""
    while {*names} & {*other_names}:
        names = [prefix + one for one in names]
    return [*names]


def _list_source_columns(samples: PredictInputs) -> list[str]:
    """Return the columns that name the source of a sample."""
    singles = samples.singles
    columns = ["file"] if any(isinstance(one, Path) for one in singles) else []
    columns += ["text"] if any(isinstance(one, str) for one in singles) else []
    columns += ["text_a", "text_b"] if any(isinstance(one, tuple) for one in singles) else []
    has_several_sources = len(samples.tables) + bool(singles) > 1
    return columns + (["table", "row"] if has_several_sources and samples.tables else [])


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
    """Return the keys of a table's columns; two columns of one name have two keys."""
    counts: Counter[str] = Counter()
    keys = []
    for name in table.sheet.column_names:
        keys.append((name, counts[name]))
        counts[name] += 1
    return keys


@contextmanager
def open_csv_output(destination: str, predictor: Predictor, inputs: PredictInputs, top: int) -> Iterator[CsvOutput]:
    """Open the CSV file `destination` for an atomic write, or standard output for "-".

    Raises:
        click.ClickException: it cannot be written.
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
    """Return the path of the file to write; links are followed.

    Raises:
        click.ClickException: no file can be there, or it is one of the samples.
    """
    path = Path(destination).resolve()
    if not path.parent.is_dir():
        raise click.ClickException(
            f"there is no folder {str(Path(destination).parent)!r} to write {path.name} to. Make it."
        )
    if path.exists() and not path.is_file():
        raise click.ClickException(f"{destination} is not a regular file. Name a file, or - for standard output.")
    input_paths = [table.path for table in inputs.tables] + [one for one in inputs.singles if isinstance(one, Path)]
    if path.exists() and any(_is_same_file(one, path.stat()) for one in input_paths):
        raise click.ClickException(f"{destination} is one of the samples and would be overwritten. Name another file.")
    return path


def _is_same_file(sample: Path, facts: os.stat_result) -> bool:
    try:
        return os.path.samestat(sample.stat(), facts)
    except (OSError, ValueError):  # missing, or not a valid path
        return False


@contextmanager
def _wrap_text(file: BinaryIO) -> Iterator[TextIO]:
    """Wrap a binary file, which stays open, for writing text."""
    text = io.TextIOWrapper(file, encoding="utf-8", errors="replace", newline="")
    try:
        yield text
        text.flush()
    finally:
        text.detach()


def _file_mode(path: Path) -> int:
    """Return the permissions of a file, or those of a new one by the umask."""
    if path.exists():
        return path.stat().st_mode & 0o777
    mask = os.umask(0o077)
    os.umask(mask)
    return 0o666 & ~mask
