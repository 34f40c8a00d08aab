"""Which column is what: by the names that people give, else by what is in them; or as the user says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from finetune.dataset import PART_NAMES, Kind, Wanted
from finetune.tasks import Task
from zoo.errors import DatasetError
from zoo.table import Search, Sheet
from zoo.table.names import LABELS, PATHS, SPLITS


@dataclass(frozen=True, slots=True)
class Columns:
    """The numbers of the columns."""

    kind: Kind
    samples: tuple[int, ...]  # the path, the text, or the two texts
    label: int | None
    split: int | None

    def said(self, names: Sequence[str]) -> str:
        """Return the line that tells the user: text: "review", label: "stars"."""
        what = "text" if self.kind is Kind.TEXT else "path"
        told = [(what, number) for number in self.samples] + [("label", self.label), ("split", self.split)]
        return ", ".join(f'{role}: "{names[number]}"' for role, number in told if number is not None)


def find(where: str, sheet: Sheet, wanted: Wanted) -> Columns:
    """Return the columns of `sheet`, the surest ones looked for first; `where` is named in errors.

    Raises:
        DatasetError: one that the user names is not there or there twice, or none is surely what is needed.
    """
    search = Search(where, sheet)
    said = tuple(search.named(name, "--text") for name in wanted.text)
    label = search.named(wanted.label, "--label") if wanted.label else None
    split = _split(search, wanted)
    if label is None and wanted.task is not Task.EMBED:
        label = search.known((sheet.label.lower(),) if sheet.label else LABELS)
    path = None if said else search.paths()
    samples = said or ((path,) if path is not None else _texts(search, label))
    if not samples and (path := search.known(PATHS)) is not None:
        samples = (path,)
    if not samples:
        raise DatasetError(
            f"{where} has no column that is surely the text or the path of a picture. {search.all()} "
            "Say which with --text, or call one of them 'text' or 'path'."
        )
    if label is None and wanted.task is not Task.EMBED:
        label = _label(where, search)
    return Columns(Kind.TEXT if path is None else Kind.IMAGE, samples, label, split)


def _split(search: Search, wanted: Wanted) -> int | None:
    if wanted.split_column:
        return search.named(wanted.split_column, "--split-column")
    if (named := search.known(SPLITS)) is not None:
        return named
    return search.by_content(SPLITS, lambda cell: cell.lower() in PART_NAMES)


def _texts(search: Search, label: int | None) -> tuple[int, ...]:
    found = search.pair() or search.text()
    return found if found or label is None else search.only_text()


def _label(where: str, search: Search) -> int:
    free = search.free()
    if len(free) != 1:
        # Of several, the only one whose cells recur.
        free = [number for number in free if search.recurs(number)]
    if (label := search.take_if_alone(free)) is None:
        raise DatasetError(
            f"{where} has no column that is surely the label of a sample. {search.all()} "
            "Say which with --label, or call one of them 'label'. Without labels, take --task embed."
        )
    return label
