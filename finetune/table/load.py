"""A table of texts, of pairs of texts, or of paths to pictures, as a dataset."""

from __future__ import annotations

from pathlib import Path

from finetune.dataset import PART_NAMES, Bad, Dataset, Kind, Part, Sample, Wanted
from finetune.table.columns import Columns, find
from finetune.tasks import guess
from zoo.errors import DatasetError, NotText
from zoo.table import Row, Sheet, read
from zoo.utf8 import to_sample


def load(path: Path, wanted: Wanted) -> Dataset:
    """Read a table: CSV, TSV, Orange's .tab, JSON Lines, Parquet or Excel; paths in it are relative to the file.

    A row without a label or without a text is no sample, but counted: `Dataset.bad`.

    Raises:
        DatasetError: it cannot be read, or lacks a column.
        MissingExtra: a package that its format needs is not installed.
    """
    return of_sheet(str(path), read(path, wanted.sheet), wanted, path.parent)


def of_sheet(source: str, sheet: Sheet, wanted: Wanted, folder: Path) -> Dataset:
    """Return the dataset of a sheet; `folder` is where paths to pictures begin."""
    if not sheet.rows:
        raise DatasetError(f"{source} has a header but no rows. It needs a row for each sample.")
    columns = find(source, sheet, wanted)
    samples: list[Sample] = []
    bad: list[Bad] = []
    for row in sheet.rows:
        try:
            samples.append(_sample(source, row, columns, folder, labelled=columns.label is not None))
        except _UnusableError as fault:
            bad.append(Bad(row.ref, str(fault)))
    target = "value" if columns.label is None else sheet.names[columns.label]
    task, note = wanted.task, ""
    if task is None:
        task, note = guess(f'"{target}"', [sample.label for sample in samples])
    notes = (*sheet.notes, columns.said(sheet.names), note)
    return Dataset(
        source,
        tuple(sorted(samples, key=lambda sample: sample.ref) if columns.kind is Kind.IMAGE else samples),
        tuple(filter(None, notes)),
        columns.kind,
        texts=2 if len(columns.samples) == 2 else 1,
        bad=tuple(bad),
        task=task,
        target=target,
    )


class _UnusableError(Exception):
    """A row is no sample; the message says why."""


def _sample(source: str, row: Row, columns: Columns, folder: Path, *, labelled: bool) -> Sample:
    if row.ragged:
        raise _UnusableError(f"it has {row.ragged} cells, more than there are columns; quote cells with delimiters.")
    part = _part(source, row, columns.split)
    label = row.cells[columns.label] if columns.label is not None else ""
    if labelled and not label:
        raise _UnusableError("the label is missing.")
    cells = [row.cells[number] for number in columns.samples]
    if not all(cells):
        raise _UnusableError(f"the {'text' if columns.kind is Kind.TEXT else 'path'} is missing.")
    if columns.kind is Kind.IMAGE:
        return Sample(cells[0], label, part, folder / cells[0])
    try:
        return Sample(row.ref, label, part, to_sample(*cells))
    except NotText as fault:
        raise _UnusableError(str(fault)) from None


def _part(source: str, row: Row, split: int | None) -> Part | None:
    if split is None:
        return None
    word = row.cells[split]
    if word.lower() not in PART_NAMES:
        raise DatasetError(
            f"{source}, {row.ref}: {word!r} is no part of a split. Allowed are train, val (valid, validation) "
            "and test; rename the column if it means something else."
        )
    return PART_NAMES[word.lower()]
