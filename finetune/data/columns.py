"""Which column is what: by the names that people give, else by what is in them; or as the user says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from finetune.data.dataset import PART_BY_NAME, DataKind, DataOptions
from finetune.data.task import Task
from graft.errors import DatasetError
from graft.tables import ColumnSearch, DataTable
from graft.tables.column_search import LABEL_COLUMNS, PATH_COLUMNS, SPLIT_COLUMNS


@dataclass(frozen=True, slots=True)
class SampleColumns:
    """The numbers of the columns."""

    kind: DataKind
    samples: tuple[int, ...]  # the path, the text, or the two texts
    label: int | None
    split: int | None

    def describe(self, names: Sequence[str]) -> str:
        """Return the line that tells the user: text: "review", label: "stars"."""
        what = "text" if self.kind is DataKind.TEXT else "path"
        roles = [(what, number) for number in self.samples] + [("label", self.label), ("split", self.split)]
        return ", ".join(f'{role}: "{names[number]}"' for role, number in roles if number is not None)


def find_columns(where: str, table: DataTable, options: DataOptions) -> SampleColumns:
    """Return the columns of `table`, the surest ones looked for first; `where` is named in errors.

    Raises:
        DatasetError: one that the user names is not there or there twice, or none is surely what is needed.
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
            f"{where} has no column that is surely the text or the path of a picture. {search.describe_columns()} "
            "Say which with --text, or call one of them 'text' or 'path'."
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
    found = search.find_text_pair() or search.find_text()
    return found if found or label is None else search.find_only_text()


def _guess_label_column(where: str, search: ColumnSearch) -> int:
    free = search.remaining_columns()
    if len(free) != 1:
        # Of several, the only one whose cells recur.
        free = [number for number in free if search.is_categorical(number)]
    if (label := search.take_single(free)) is None:
        raise DatasetError(
            f"{where} has no column that is surely the label of a sample. {search.describe_columns()} "
            "Say which with --label, or call one of them 'label'. Without labels, take --task embed."
        )
    return label
