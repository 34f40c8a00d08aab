"""Samples of `predict`: files, texts, pairs of texts, rows of tables; what each is in bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from service.packing import SampleKind, pack_sample
from zoo.errors import InputError
from zoo.table import DataRow, DataTable
from zoo.utf8 import encode_text_sample

SampleValue = Path | str | tuple[str, str]  # a file, a text, a pair of texts


@dataclass(frozen=True, slots=True)
class SingleSample:
    """A sample that stands in no table."""

    value: SampleValue

    def to_bytes(self, kind: SampleKind) -> bytes:
        """Return what a model is asked.

        Raises:
            InputError: a file cannot be read, or a text is none.
        """
        return pack_sample(self.value, kind)


@dataclass(frozen=True, slots=True)
class SampleTable:
    """A table whose rows are samples."""

    path: Path
    sheet: DataTable
    columns: tuple[int, ...]  # of the path, of the text, or of the two texts

    def notes(self) -> tuple[str, ...]:
        """Return what the user should hear of how it was read."""
        found = ", ".join(f'"{self.sheet.column_names[number]}"' for number in self.columns)
        return (*self.sheet.notes, f"{self.path}: the samples are in {found}.")


@dataclass(frozen=True, slots=True)
class TableSample:
    """A sample that is a row of a table."""

    table: SampleTable
    row: DataRow

    def to_bytes(self, kind: SampleKind) -> bytes:
        """Return what a model is asked; paths to images begin in the table's folder.

        Raises:
            InputError: a file cannot be read, or there is nothing in a cell.
        """
        if self.row.ragged_width:
            raise InputError(
                f"{self.row.ragged_width} cells are more than there are columns; quote cells with delimiters."
            )
        cells = [self.row.cells[number] for number in self.table.columns]
        if not all(cells):
            raise InputError(f"the {'path' if kind == 'image' else 'text'} is missing.")
        if kind == "image":
            return pack_sample(self.table.path.parent / cells[0], kind)
        return encode_text_sample(*cells)


PredictSample = SingleSample | TableSample


@dataclass(frozen=True, slots=True)
class PredictInputs:
    """All the samples, in order; the rows of tables are made samples as they are asked for."""

    parts: tuple[SampleTable | tuple[SampleValue, ...], ...]

    @property
    def tables(self) -> tuple[SampleTable, ...]:
        """The tables among them."""
        return tuple(part for part in self.parts if isinstance(part, SampleTable))

    @property
    def singles(self) -> tuple[SampleValue, ...]:
        """What stands in no table."""
        return tuple(chain.from_iterable(part for part in self.parts if not isinstance(part, SampleTable)))

    def __len__(self) -> int:
        return sum(len(part.sheet.rows) if isinstance(part, SampleTable) else len(part) for part in self.parts)

    def __iter__(self) -> Iterator[PredictSample]:
        for part in self.parts:
            if isinstance(part, SampleTable):
                yield from (TableSample(part, row) for row in part.sheet.rows)
            else:
                yield from map(SingleSample, part)
