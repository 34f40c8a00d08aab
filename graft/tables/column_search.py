"""Find the columns of image paths, texts, labels and splits: by an option, by common names, or by their cells."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from graft.errors import DatasetError
from graft.inputs.sample_files import IMAGE_SUFFIXES
from graft.tables.table import DataTable, parse_number

MIN_MEAN_WORDS: Final = 3.0  # mean words per cell from which on a column is text

PATH_COLUMNS: Final = (
    "path", "file", "filename", "file_name", "filepath", "file_path", "image", "image_path", "img", "picture",
)  # fmt: skip

TEXT_COLUMNS: Final = (
    "text", "texts", "sentence", "review", "content", "body", "message", "comment", "tweet", "document", "description",
    "utterance", "question", "query", "abstract", "title", "headline", "review_text", "full_text",
)  # fmt: skip

TEXT_PAIR_COLUMNS: Final = (
    ("text_a", "text_b"), ("text1", "text2"), ("sentence1", "sentence2"), ("sentence_a", "sentence_b"),
    ("question1", "question2"), ("premise", "hypothesis"), ("query", "passage"),
)  # fmt: skip

LABEL_COLUMNS: Final = (
    "label", "labels", "class", "category", "categories", "target", "class_name", "label_name", "species", "y", "tags",
    "tag", "topic", "topics", "sentiment", "stars", "rating", "score", "intent", "genre", "genres", "emotion", "price",
    "value",
)  # fmt: skip

SPLIT_COLUMNS: Final = ("split", "subset", "part", "partition", "set")


class ColumnSearch:
    """A search in one table, which returns column numbers; a column that was returned is not searched again."""

    def __init__(self, source: str, table: DataTable) -> None:
        """Search `table`; errors name `source`."""
        self._source, self._table = source, table
        self._names = [name.lower() for name in table.column_names]
        self._unavailable: set[int] = set()

    def find_named(self, name: str, option: str) -> int:
        """Return the column called `name`, ignoring case if there is no exact match; errors name `option`.

        Raises:
            DatasetError: there is no such column, or more than one.
        """
        exact = [number for number, other in enumerate(self._table.column_names) if other == name]
        ignoring_case = [number for number, other in enumerate(self._names) if other == name.lower()]
        if not (matches := exact or ignoring_case):
            close_matches = difflib.get_close_matches(name.lower(), self._names, n=3, cutoff=0.5)
            suggestions = " or ".join(
                repr(self._table.column_names[self._names.index(close)]) for close in close_matches
            )
            hint = f"Did you mean {suggestions}? " if close_matches else ""
            raise DatasetError(f"{self._source} has no column {name!r} ({option}). {hint}{self.describe_columns()}")
        return self._take(matches[0])

    def find_first(self, names: Sequence[str]) -> int | None:
        """Return the column that has the first matching name of `names`; None if there is none.

        Raises:
            DatasetError: there is more than one.
        """
        for name in names:
            if name in self._names and (number := self._names.index(name)) not in self._unavailable:
                return self._take(number)
        return None

    def find_by_content(self, names: Sequence[str], predicate: Callable[[str], bool]) -> int | None:
        """Return the first column whose filled cells satisfy `predicate`: all, or most if its name is in `names`."""
        for number in self.remaining_columns():
            cells = self._filled_cells(number)
            share = sum(map(predicate, cells)) / len(cells) if cells else 0.0
            # Under such a name a few may differ: they are skipped or refused later, one by one.
            if share == 1 or (share > 0.5 and self._names[number] in names):
                return self._take(number)
        return None

    def find_image_paths(self) -> int | None:
        """Return the column of image paths, by its cells."""
        return self.find_by_content(PATH_COLUMNS, is_image_path)

    def find_text_pair(self) -> tuple[int, ...]:
        """Return the two columns of a pair of texts, by their names; () if there are none."""
        for pair in TEXT_PAIR_COLUMNS:
            if all(name in self._names and self._names.index(name) not in self._unavailable for name in pair):
                return tuple(self._take(self._names.index(name)) for name in pair)
        return ()

    def find_text(self) -> tuple[int, ...]:
        """Return the column of texts, by its name or by the length of its cells; () if there is none."""
        if (number := self.find_first(TEXT_COLUMNS)) is not None:
            return (number,)
        readable = [number for number in self._non_numeric_columns() if self._mean_words(number) >= MIN_MEAN_WORDS]
        return (self._take(readable[0]),) if len(readable) == 1 else ()

    def find_only_text(self) -> tuple[int, ...]:
        """Return the only remaining column that is not numeric; () if there are none or several."""
        wordy = self._non_numeric_columns()
        return (self._take(wordy[0]),) if len(wordy) == 1 else ()

    def remaining_columns(self) -> list[int]:
        """Return the columns that were not returned yet."""
        return [number for number in range(len(self._names)) if number not in self._unavailable]

    def take_single(self, numbers: Sequence[int]) -> int | None:
        """Return the only number of `numbers`; None if there are none or several."""
        return self._take(numbers[0]) if len(numbers) == 1 else None

    def is_categorical(self, number: int) -> bool:
        """Return whether the cells of a column repeat, as labels do."""
        cells = self._filled_cells(number)
        return 1 < len(set(cells)) <= len(cells) / 2

    def describe_columns(self) -> str:
        """Return a sentence that lists the columns, for error messages."""
        return f"Its columns are {', '.join(map(repr, self._table.column_names))}."

    def _take(self, number: int) -> int:
        name = self._table.column_names[number]
        duplicates = [str(index + 1) for index, other in enumerate(self._table.column_names) if other == name]
        if len(duplicates) > 1:
            raise DatasetError(
                f"{self._source} has {len(duplicates)} columns called {name!r} (columns {' and '.join(duplicates)}). "
                "Rename all but one of them."
            )
        self._unavailable.add(number)
        return number

    def _non_numeric_columns(self) -> list[int]:
        return [
            number
            for number in self.remaining_columns()
            if any(parse_number(cell) is None for cell in self._filled_cells(number))
        ]

    def _mean_words(self, number: int) -> float:
        cells = self._filled_cells(number)
        return sum(len(cell.split()) for cell in cells) / len(cells) if cells else 0.0

    def _filled_cells(self, number: int) -> list[str]:
        return [cell for cell in self._table.column(number) if cell]


def is_known_column(name: str) -> bool:
    """Return whether `name` is a common name of a column of samples, labels or splits."""
    return name.lower() in {
        *PATH_COLUMNS,
        *TEXT_COLUMNS,
        *LABEL_COLUMNS,
        *SPLIT_COLUMNS,
        *(column for pair in TEXT_PAIR_COLUMNS for column in pair),
    }


def is_image_path(cell: str) -> bool:
    """Return whether a cell is the path of an image file."""
    return len(cell) < 4096 and Path(cell).suffix.lower() in IMAGE_SUFFIXES
