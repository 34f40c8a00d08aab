"""A search for columns: as the user names them, by the names that people give, or by what is in them."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from typing import Final

from zoo.errors import DatasetError
from zoo.table.names import PAIRS, PATHS, TEXTS, is_picture
from zoo.table.sheet import Sheet, as_number

READS: Final = 3.0  # words of a mean cell from which on a column reads like text


class Search:
    """One search in one table; columns that are found are no longer looked at. Columns are given by number."""

    def __init__(self, where: str, sheet: Sheet) -> None:
        """Search `sheet`; `where` is named in errors."""
        self._where, self._sheet = where, sheet
        self._names = [name.lower() for name in sheet.names]
        self._taken: set[int] = set()

    def named(self, name: str, option: str) -> int:
        """Return the column of exactly that name, whatever its case where that is clear; `option` asks for it.

        Raises:
            DatasetError: there is none, or there are twins.
        """
        exact = [number for number, other in enumerate(self._sheet.names) if other == name]
        loose = [number for number, other in enumerate(self._names) if other == name.lower()]
        if not (found := exact or loose):
            near = difflib.get_close_matches(name.lower(), self._names, n=3, cutoff=0.5)
            meant = " or ".join(repr(self._sheet.names[self._names.index(one)]) for one in near)
            hint = f"Did you mean {meant}? " if near else ""
            raise DatasetError(f"{self._where} has no column {name!r} ({option}). {hint}{self.all()}")
        return self._take(found[0])

    def known(self, known: Sequence[str]) -> int | None:
        """Return the column of the first of the `known` names that is there.

        Raises:
            DatasetError: there are twins.
        """
        for name in known:
            if name in self._names and (number := self._names.index(name)) not in self._taken:
                return self._take(number)
        return None

    def by_content(self, known: Sequence[str], fits: Callable[[str], bool]) -> int | None:
        """Return a column whose filled cells all fit; of a known name, most of them."""
        for number in self.free():
            cells = self._filled(number)
            share = sum(map(fits, cells)) / len(cells) if cells else 0.0
            # Under a name that says so, some may be odd; they are skipped or refused one by one later.
            if share == 1 or (share > 0.5 and self._names[number] in known):
                return self._take(number)
        return None

    def paths(self) -> int | None:
        """Return the column of paths to pictures, by its content."""
        return self.by_content(PATHS, is_picture)

    def pair(self) -> tuple[int, ...]:
        """Return the two columns of a pair of texts, by their names; perhaps none."""
        for pair in PAIRS:
            if all(name in self._names and self._names.index(name) not in self._taken for name in pair):
                return tuple(self._take(self._names.index(name)) for name in pair)
        return ()

    def text(self) -> tuple[int, ...]:
        """Return the one column that is named like texts, or reads like them; perhaps none."""
        if (number := self.known(TEXTS)) is not None:
            return (number,)
        reads = [number for number in self._wordy() if self._words(number) >= READS]
        return (self._take(reads[0]),) if len(reads) == 1 else ()

    def only_text(self) -> tuple[int, ...]:
        """Return the column that is left when numbers are left out, where it is the only one."""
        wordy = self._wordy()
        return (self._take(wordy[0]),) if len(wordy) == 1 else ()

    def free(self) -> list[int]:
        """Return the columns that are not found yet."""
        return [number for number in range(len(self._names)) if number not in self._taken]

    def take_if_alone(self, numbers: Sequence[int]) -> int | None:
        """Return the number, where it is one."""
        return self._take(numbers[0]) if len(numbers) == 1 else None

    def recurs(self, number: int) -> bool:
        """Say whether the cells of a column recur, as labels do."""
        cells = self._filled(number)
        return 1 < len(set(cells)) <= len(cells) / 2

    def all(self) -> str:
        """Return the sentence that names the columns."""
        return f"Its columns are {', '.join(map(repr, self._sheet.names))}."

    def _take(self, number: int) -> int:
        name = self._sheet.names[number]
        twins = [str(at + 1) for at, other in enumerate(self._sheet.names) if other == name]
        if len(twins) > 1:
            raise DatasetError(
                f"{self._where} has {len(twins)} columns called {name!r} (columns {' and '.join(twins)}), so it is "
                "not clear which is meant. Rename all but one of them."
            )
        self._taken.add(number)
        return number

    def _wordy(self) -> list[int]:
        return [number for number in self.free() if any(as_number(cell) is None for cell in self._filled(number))]

    def _words(self, number: int) -> float:
        cells = self._filled(number)
        return sum(len(cell.split()) for cell in cells) / len(cells) if cells else 0.0

    def _filled(self, number: int) -> list[str]:
        return [cell for cell in self._sheet.column(number) if cell]
