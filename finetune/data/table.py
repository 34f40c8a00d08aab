"""Tables as datasets: find the text, path, label and split columns, and make a sample of each row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from finetune.data.dataset import PART_BY_NAME, DataKind, DataOptions, Dataset, LabeledSample, SkippedSample, SplitPart
from finetune.data.task import Task, guess_task
from graft.errors import DatasetError, NotText
from graft.inputs.text_bytes import encode_text_sample
from graft.tables import ColumnSearch, DataRow, DataTable, read_table
from graft.tables.column_search import LABEL_COLUMNS, PATH_COLUMNS, SPLIT_COLUMNS


@dataclass(frozen=True, slots=True)
class SampleColumns:
    """Which columns of a table hold what, by their numbers."""

    kind: DataKind
    samples: tuple[int, ...]  # the path, the text, or the two texts
    label: int | None
    split: int | None

    def describe(self, names: Sequence[str]) -> str:
        """Return a line for the log, such as `text: "review", label: "stars"`."""
        what = "text" if self.kind is DataKind.TEXT else "path"
        roles = [(what, number) for number in self.samples] + [("label", self.label), ("split", self.split)]
        return ", ".join(f'{role}: "{names[number]}"' for role, number in roles if number is not None)


def find_columns(where: str, table: DataTable, options: DataOptions) -> SampleColumns:
    """Return the columns of `table`: those named in `options`, else by common names, else by content.

    Raises:
        DatasetError: a named column is missing or ambiguous, or a needed column cannot be identified. It names `where`.
    """
    search = ColumnSearch(where, table)
    text_columns = tuple(search.find_named(name, "--text") for name in options.text)
    label = search.find_named(options.label, "--label") if options.label else None
    split = _find_split_column(search, options)
    if label is None and options.task is not Task.EMBED:
        label = search.find_first((table.label_column.lower(),) if table.label_column else LABEL_COLUMNS)
    path = None if text_columns else search.find_image_paths()
    samples = text_columns or ((path,) if path is not None else _find_text_columns(search, label))
    if not samples and (path := search.find_first(PATH_COLUMNS)) is not None:
        samples = (path,)
    if not samples:
        raise DatasetError(
            f"{where} has no column that is surely the text or the path of an image. {search.describe_columns()} "
            "Name it with --text, or rename a column to 'text' or 'path'."
        )
    if label is None and options.task is not Task.EMBED:
        label = _guess_label_column(where, search)
    return SampleColumns(DataKind.TEXT if path is None else DataKind.IMAGE, samples, label, split)


def _find_split_column(search: ColumnSearch, options: DataOptions) -> int | None:
    if options.split_column:
        return search.find_named(options.split_column, "--split-column")
    if (named := search.find_first(SPLIT_COLUMNS)) is not None:
        return named
    return search.find_by_content(SPLIT_COLUMNS, lambda cell: cell.lower() in PART_BY_NAME)


def _find_text_columns(search: ColumnSearch, label: int | None) -> tuple[int, ...]:
    columns = search.find_text_pair() or search.find_text()
    return columns if columns or label is None else search.find_only_text()


def _guess_label_column(where: str, search: ColumnSearch) -> int:
    free = search.remaining_columns()
    if len(free) != 1:
        # Among several, the only one whose values recur.
        free = [number for number in free if search.is_categorical(number)]
    if (label := search.take_single(free)) is None:
        raise DatasetError(
            f"{where} has no column that is surely the label of a sample. {search.describe_columns()} "
            "Name it with --label, or rename a column to 'label'. Without labels, use --task embed."
        )
    return label


def load_table(path: Path, options: DataOptions) -> Dataset:
    """Read a table: CSV, TSV, Orange's .tab, JSON Lines, Parquet or Excel; paths in it are relative to the file.

    Rows without a label or without a text are in `Dataset.skipped_samples`.

    Raises:
        DatasetError: the table cannot be read, or lacks a column.
        MissingExtra: a package that its format needs is not installed.
    """
    return dataset_from_table(str(path), read_table(path, options.sheet), options, path.parent)


def dataset_from_table(source: str, table: DataTable, options: DataOptions, folder: Path) -> Dataset:
    """Return the dataset in `table`, called `source` in messages; image paths in it are relative to `folder`."""
    if not table.rows:
        raise DatasetError(f"{source} has a header but no rows. It needs one row for each sample.")
    columns = find_columns(source, table, options)
    samples: list[LabeledSample] = []
    skipped_samples: list[SkippedSample] = []
    for row in table.rows:
        try:
            samples.append(_parse_row(source, row, columns, folder, labelled=columns.label is not None))
        except _UnusableRowError as fault:
            skipped_samples.append(SkippedSample(row.ref, str(fault)))
    target = "value" if columns.label is None else table.column_names[columns.label]
    task, note = options.task, ""
    if task is None:
        task, note = guess_task(f'"{target}"', [sample.label for sample in samples])
    notes = (*table.notes, columns.describe(table.column_names), note)
    return Dataset(
        source,
        tuple(sorted(samples, key=lambda sample: sample.ref) if columns.kind is DataKind.IMAGE else samples),
        tuple(filter(None, notes)),
        columns.kind,
        texts_per_sample=2 if len(columns.samples) == 2 else 1,
        skipped_samples=tuple(skipped_samples),
        task=task,
        target_name=target,
    )


class _UnusableRowError(Exception):
    """A row cannot be used; the message says why."""


def _parse_row(source: str, row: DataRow, columns: SampleColumns, folder: Path, *, labelled: bool) -> LabeledSample:
    if row.ragged_width:
        raise _UnusableRowError(
            f"it has {row.ragged_width} cells, more than there are columns; quote cells that contain the delimiter."
        )
    part = _parse_part(source, row, columns.split)
    label = row.cells[columns.label] if columns.label is not None else ""
    if labelled and not label:
        raise _UnusableRowError("the label is missing.")
    cells = [row.cells[number] for number in columns.samples]
    if not all(cells):
        raise _UnusableRowError(f"the {'text' if columns.kind is DataKind.TEXT else 'path'} is missing.")
    if columns.kind is DataKind.IMAGE:
        return LabeledSample(cells[0], label, part, folder / cells[0])
    try:
        return LabeledSample(row.ref, label, part, encode_text_sample(*cells))
    except NotText as fault:
        raise _UnusableRowError(str(fault)) from None


def _parse_part(source: str, row: DataRow, split: int | None) -> SplitPart | None:
    if split is None:
        return None
    word = row.cells[split]
    if word.lower() not in PART_BY_NAME:
        raise DatasetError(
            f"{source}, {row.ref}: {word!r} is not a part of a split. Allowed are train, val (valid, validation) "
            "and test; rename the column if it means something else."
        )
    return PART_BY_NAME[word.lower()]
