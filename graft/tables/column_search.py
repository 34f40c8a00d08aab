"""A search for columns: as the user names them, by the names that people give, or by what is in them.

The names that people give to columns of texts, of paths to pictures, of labels and of parts.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from graft.errors import DatasetError
from graft.inputs.sample_files import IMAGE_SUFFIXES
from graft.tables.table import DataTable, parse_number

MIN_MEAN_WORDS: Final = 3.0  # words of a mean cell from which on a column reads like text


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
    """One search in one table; columns that are found are no longer looked at. Columns are given by number."""

    def __init__(self, source: str, table: DataTable) -> None:
        """Search `table`; `source` is named in errors."""
        self._source, self._table = source, table
        self._names = [name.lower() for name in table.column_names]
        self._unavailable: set[int] = set()

    def find_named(self, name: str, option: str) -> int:
        """Return the column of exactly that name, whatever its case where that is clear; `option` asks for it.

        Raises:
            DatasetError: there is none, or there are twins.
        """
        exact = [number for number, other in enumerate(self._table.column_names) if other == name]
        ignoring_case = [number for number, other in enumerate(self._names) if other == name.lower()]
        if not (matches := exact or ignoring_case):
            close_matches = difflib.get_close_matches(name.lower(), self._names, n=3, cutoff=0.5)
            suggestions = " or ".join(repr(self._table.column_names[self._names.index(one)]) for one in close_matches)
            hint = f"Did you mean {suggestions}? " if close_matches else ""
            raise DatasetError(f"{self._source} has no column {name!r} ({option}). {hint}{self.describe_columns()}")
        return self._take(matches[0])

    def find_first(self, names: Sequence[str]) -> int | None:
        """Return the column of the first of the `known` names that is there.

        Raises:
            DatasetError: there are twins.
        """
        for name in names:
            if name in self._names and (number := self._names.index(name)) not in self._unavailable:
                return self._take(number)
        return None

    def find_by_content(self, names: Sequence[str], predicate: Callable[[str], bool]) -> int | None:
        """Return a column whose filled cells all fit; of a known name, most of them."""
        for number in self.remaining_columns():
            cells = self._filled_cells(number)
            share = sum(map(predicate, cells)) / len(cells) if cells else 0.0
            # Under a name that says so, some may be odd; they are skipped or refused one by one later.
            if share == 1 or (share > 0.5 and self._names[number] in names):
                return self._take(number)
        return None

    def find_image_paths(self) -> int | None:
        """Return the column of paths to pictures, by its content."""
        return self.find_by_content(PATH_COLUMNS, is_image_path)

    def find_text_pair(self) -> tuple[int, ...]:
        """Return the two columns of a pair of texts, by their names; perhaps none."""
        for pair in TEXT_PAIR_COLUMNS:
            if all(name in self._names and self._names.index(name) not in self._unavailable for name in pair):
                return tuple(self._take(self._names.index(name)) for name in pair)
        return ()

    def find_text(self) -> tuple[int, ...]:
        """Return the one column that is named like texts, or reads like them; perhaps none."""
        if (number := self.find_first(TEXT_COLUMNS)) is not None:
            return (number,)
        readable = [number for number in self._non_numeric_columns() if self._mean_words(number) >= MIN_MEAN_WORDS]
        return (self._take(readable[0]),) if len(readable) == 1 else ()

    def find_only_text(self) -> tuple[int, ...]:
        """Return the column that is left when numbers are left out, where it is the only one."""
        wordy = self._non_numeric_columns()
        return (self._take(wordy[0]),) if len(wordy) == 1 else ()

    def remaining_columns(self) -> list[int]:
        """Return the columns that are not found yet."""
        return [number for number in range(len(self._names)) if number not in self._unavailable]

    def take_single(self, numbers: Sequence[int]) -> int | None:
        """Return the number, where it is one."""
        return self._take(numbers[0]) if len(numbers) == 1 else None

    def is_categorical(self, number: int) -> bool:
        """Say whether the cells of a column recur, as labels do."""
        cells = self._filled_cells(number)
        return 1 < len(set(cells)) <= len(cells) / 2

    def describe_columns(self) -> str:
        """Return the sentence that names the columns."""
        return f"Its columns are {', '.join(map(repr, self._table.column_names))}."

    def _take(self, number: int) -> int:
        name = self._table.column_names[number]
        duplicates = [str(at + 1) for at, other in enumerate(self._table.column_names) if other == name]
        if len(duplicates) > 1:
            raise DatasetError(
                f"{self._source} has {len(duplicates)} columns called {name!r} (columns {' and '.join(duplicates)}), so it is "
                "not clear which is meant. Rename all but one of them."
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
    """Say whether `name` is one that people give to a column we look for."""
    return name.lower() in {
        *PATH_COLUMNS,
        *TEXT_COLUMNS,
        *LABEL_COLUMNS,
        *SPLIT_COLUMNS,
        *(one for pair in TEXT_PAIR_COLUMNS for one in pair),
    }


def is_image_path(cell: str) -> bool:
    """Say whether `cell` names a picture."""
    return len(cell) < 4096 and Path(cell).suffix.lower() in IMAGE_SUFFIXES
