"""Which column is what: by the names that people give, else by what is in them; or as the user says."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from finetune.dataset import PART_NAMES, Kind, Wanted
from finetune.folder import PICTURE
from finetune.table.sheet import Sheet
from finetune.tasks import Task, as_number
from zoo.errors import DatasetError

PATHS: Final = (
    "path", "file", "filename", "file_name", "filepath", "file_path", "image", "image_path", "img", "picture",
)  # fmt: skip
TEXTS: Final = (
    "text", "texts", "sentence", "review", "content", "body", "message", "comment", "tweet", "document", "description",
    "utterance", "question", "query", "abstract", "title", "headline", "review_text", "full_text",
)  # fmt: skip
PAIRS: Final = (
    ("text_a", "text_b"), ("text1", "text2"), ("sentence1", "sentence2"), ("sentence_a", "sentence_b"),
    ("question1", "question2"), ("premise", "hypothesis"), ("query", "passage"),
)  # fmt: skip
LABELS: Final = (
    "label", "labels", "class", "category", "categories", "target", "class_name", "label_name", "species", "y", "tags",
    "tag", "topic", "topics", "sentiment", "stars", "rating", "score", "intent", "genre", "genres", "emotion", "price",
    "value",
)  # fmt: skip
SPLITS: Final = ("split", "subset", "part", "partition", "set")
READS: Final = 3.0  # words of a mean cell from which on a column reads like text


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


def known_name(name: str) -> bool:
    """Say whether `name` is one that people give to a column we look for."""
    return name.lower() in {*PATHS, *TEXTS, *LABELS, *SPLITS, *(one for pair in PAIRS for one in pair)}


def is_picture(cell: str) -> bool:
    """Say whether `cell` names a picture."""
    return len(cell) < 4096 and Path(cell).suffix.lower() in PICTURE


def find(where: str, sheet: Sheet, wanted: Wanted) -> Columns:
    """Return the columns of `sheet`; `where` is named in errors.

    Raises:
        DatasetError: one that the user names is not there or there twice, or none is surely what is needed.
    """
    return _Search(where, sheet, wanted).columns()


class _Search:
    """One search; columns that are found are no longer looked at."""

    def __init__(self, where: str, sheet: Sheet, wanted: Wanted) -> None:
        self.where, self.sheet, self.wanted = where, sheet, wanted
        self.names = [name.lower() for name in sheet.names]
        self.taken: set[int] = set()

    def columns(self) -> Columns:
        """Return all columns, the surest ones looked for first."""
        said = [self._named(name, "--text") for name in self.wanted.text]
        label = self._named(self.wanted.label, "--label") if self.wanted.label else None
        split = self._split()
        if label is None and self.wanted.task is not Task.EMBED:
            label = self._known((self.sheet.label.lower(),) if self.sheet.label else LABELS)
        path = None if said else self._by_content(PATHS, is_picture)
        samples = tuple(said) or ((path,) if path is not None else self._texts(label))
        if not samples and (path := self._known(PATHS)) is not None:
            samples = (path,)
        if not samples:
            raise DatasetError(
                f"{self.where} has no column that is surely the text or the path of a picture. {self._all()} "
                "Say which with --text, or call one of them 'text' or 'path'."
            )
        if label is None and self.wanted.task is not Task.EMBED:
            label = self._label()
        return Columns(Kind.TEXT if path is None else Kind.IMAGE, samples, label, split)

    def _named(self, name: str, option: str) -> int:
        """Return the column of exactly that name, whatever its case where that is clear."""
        exact = [number for number, other in enumerate(self.sheet.names) if other == name]
        loose = [number for number, other in enumerate(self.names) if other == name.lower()]
        if not (found := exact or loose):
            near = difflib.get_close_matches(name.lower(), self.names, n=3, cutoff=0.5)
            meant = " or ".join(repr(self.sheet.names[self.names.index(one)]) for one in near)
            hint = f"Did you mean {meant}? " if near else ""
            raise DatasetError(f"{self.where} has no column {name!r} ({option}). {hint}{self._all()}")
        return self._take(found[0])

    def _take(self, number: int) -> int:
        twins = [str(at + 1) for at, name in enumerate(self.sheet.names) if name == self.sheet.names[number]]
        if len(twins) > 1:
            raise DatasetError(
                f"{self.where} has {len(twins)} columns called {self.sheet.names[number]!r} (columns "
                f"{' and '.join(twins)}), so it is not clear which is meant. Rename all but one of them."
            )
        self.taken.add(number)
        return number

    def _split(self) -> int | None:
        if self.wanted.split_column:
            return self._named(self.wanted.split_column, "--split-column")
        return self._by_content(SPLITS, lambda cell: cell.lower() in PART_NAMES)

    def _known(self, known: Sequence[str]) -> int | None:
        for name in known:
            if name in self.names and (number := self.names.index(name)) not in self.taken:
                return self._take(number)
        return None

    def _by_content(self, known: Sequence[str], fits: Callable[[str], bool]) -> int | None:
        """Return the column of a known name, or one whose filled cells all fit."""
        if known is SPLITS and (number := self._known(known)) is not None:
            return number
        for number in self._free():
            cells = [cell for cell in self.sheet.column(number) if cell]
            share = sum(map(fits, cells)) / len(cells) if cells else 0.0
            # Under a name that says so, some may be odd; they are skipped or refused one by one later.
            if share == 1 or (share > 0.5 and self.names[number] in known):
                return self._take(number)
        return None

    def _free(self) -> list[int]:
        return [number for number in range(len(self.names)) if number not in self.taken]

    def _texts(self, label: int | None) -> tuple[int, ...]:
        for pair in PAIRS:
            if all(name in self.names and self.names.index(name) not in self.taken for name in pair):
                return tuple(self._take(self.names.index(name)) for name in pair)
        if (number := self._known(TEXTS)) is not None:
            return (number,)
        free = [number for number in self._free() if not self._is_numbers(number)]
        reads = [number for number in free if self._words(number) >= READS]
        if len(reads) != 1 and len(free) == 1 and label is not None:
            reads = free
        return (self._take(reads[0]),) if len(reads) == 1 else ()

    def _label(self) -> int:
        free = self._free()
        if len(free) != 1:
            # Of several, the only one whose cells recur.
            free = [number for number in free if self._recurs(number)]
        if len(free) == 1:
            return self._take(free[0])
        raise DatasetError(
            f"{self.where} has no column that is surely the label of a sample. {self._all()} "
            "Say which with --label, or call one of them 'label'. Without labels, take --task embed."
        )

    def _words(self, number: int) -> float:
        cells = [cell for cell in self.sheet.column(number) if cell]
        return sum(len(cell.split()) for cell in cells) / len(cells) if cells else 0.0

    def _is_numbers(self, number: int) -> bool:
        return all(as_number(cell) is not None for cell in self.sheet.column(number) if cell)

    def _recurs(self, number: int) -> bool:
        cells = [cell for cell in self.sheet.column(number) if cell]
        return 1 < len(set(cells)) <= len(cells) / 2

    def _all(self) -> str:
        return f"Its columns are {', '.join(map(repr, self.sheet.names))}."
