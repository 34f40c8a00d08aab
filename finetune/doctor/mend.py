"""--fix: which samples are worth training on, and what is said of the manifest that names them."""

from __future__ import annotations

import shlex
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from finetune.dataset import Part
from finetune.doctor.findings import Findings
from finetune.doctor.manifest import check_place, write
from finetune.doctor.near import FEW
from finetune.tasks import Task

_KEEPS: Final = (Part.TEST, Part.VAL, Part.TRAIN, None)  # of copies in several parts, the part that keeps them


@dataclass(frozen=True, slots=True)
class Mended:
    """A manifest that was written."""

    path: Path
    kept: int
    dropped: int  # of those that could be read
    suspects: int  # of those that are in it
    leaks: int  # groups of near duplicates across parts that were left in, as they are large
    command: str  # that trains on it

    def facts(self) -> dict[str, Any]:
        """Return what a program wants to know of it; ready for JSON."""
        return asdict(self) | {"path": str(self.path)}


def mend(found: Findings, path: Path) -> Mended:
    """Write a cleaned manifest to `path`; the data are not touched, and no label is changed.

    Left out: what cannot be read, contradictions, all but one of exact copies, and of leaks what lies in a lesser
    part (test keeps its samples before val, val before train). Near duplicates in groups of more than FEW stay: they
    may be different after all. Suspect labels stay, too, with the suggested one in a column `suspect`.

    Raises:
        DatasetError: there is a file of that name, or the samples cannot stand in a table.
    """
    check_place(found, path)
    spare = dropped(found)
    rows = [row for row in range(len(found.samples)) if row not in spare]
    kept = set(rows)
    suggested = {one.row: one.suggested for one in reversed(found.suspects.found if found.suspects else ())}
    suggested = {row: label for row, label in suggested.items() if row in kept}
    write(found, rows, suggested, path)
    many = sum(len(leak.rows) > FEW for leak in found.leaks)
    return Mended(path, len(rows), len(spare), len(suggested), many, _command(found, path))


def dropped(found: Findings) -> set[int]:
    """Return the rows of the samples that are left out."""

    def rank(row: int) -> int:
        return _KEEPS.index(found.samples[row].part)

    spare = {row for group in found.contradictions for row in group.rows}
    for group in found.duplicates:
        spare |= set(sorted(group.rows, key=rank)[1:])
    for group in (leak for leak in found.leaks if len(leak.rows) <= FEW):
        best = min(map(rank, group.rows))
        spare |= {row for row in group.rows if rank(row) > best}
    return spare


def _command(found: Findings, path: Path) -> str:
    label = f" --label {shlex.quote(found.target)}" if found.task is Task.REGRESS else ""
    return f"finetune {shlex.quote(str(path))} --task {found.task}{label}"
