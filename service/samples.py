"""Samples of `predict`: files, texts, pairs of texts, rows of tables; what each is in bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from service.packing import Takes, packed
from zoo.errors import InputError
from zoo.table import Row, Sheet
from zoo.utf8 import to_sample

Asked = Path | str | tuple[str, str]  # a file, a text, a pair of texts


@dataclass(frozen=True, slots=True)
class Loose:
    """A sample that stands in no table."""

    asked: Asked

    def bytes(self, takes: Takes) -> bytes:
        """Return what a model is asked.

        Raises:
            InputError: a file cannot be read, or a text is none.
        """
        return packed(self.asked, takes)


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose rows are samples."""

    path: Path
    sheet: Sheet
    columns: tuple[int, ...]  # of the path, of the text, or of the two texts

    def notes(self) -> tuple[str, ...]:
        """Return what the user should hear of how it was read."""
        found = ", ".join(f'"{self.sheet.names[number]}"' for number in self.columns)
        return (*self.sheet.notes, f"{self.path}: the samples are in {found}.")


@dataclass(frozen=True, slots=True)
class TableRow:
    """A sample that is a row of a table."""

    table: Table
    row: Row

    def bytes(self, takes: Takes) -> bytes:
        """Return what a model is asked; paths to images begin in the table's folder.

        Raises:
            InputError: a file cannot be read, or there is nothing in a cell.
        """
        if self.row.ragged:
            raise InputError(f"{self.row.ragged} cells are more than there are columns; quote cells with delimiters.")
        cells = [self.row.cells[number] for number in self.table.columns]
        if not all(cells):
            raise InputError(f"the {'path' if takes == 'image' else 'text'} is missing.")
        if takes == "image":
            return packed(self.table.path.parent / cells[0], takes)
        return to_sample(*cells)


Sample = Loose | TableRow


@dataclass(frozen=True, slots=True)
class Given:
    """All the samples, in order; the rows of tables are made samples as they are asked for."""

    parts: tuple[Table | tuple[Asked, ...], ...]

    @property
    def tables(self) -> tuple[Table, ...]:
        """The tables among them."""
        return tuple(part for part in self.parts if isinstance(part, Table))

    @property
    def loose(self) -> tuple[Asked, ...]:
        """What stands in no table."""
        return tuple(chain.from_iterable(part for part in self.parts if not isinstance(part, Table)))

    def __len__(self) -> int:
        return sum(len(part.sheet.rows) if isinstance(part, Table) else len(part) for part in self.parts)

    def __iter__(self) -> Iterator[Sample]:
        for part in self.parts:
            if isinstance(part, Table):
                yield from (TableRow(part, row) for row in part.sheet.rows)
            else:
                yield from map(Loose, part)
