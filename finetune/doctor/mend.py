"""--fix: which samples are worth training on, and what is said of the manifest that names them."""

from __future__ import annotations

import shlex
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from finetune.dataset import SplitPart
from finetune.doctor.findings import Findings
from finetune.doctor.manifest import require_writable_table, write_table_csv
from finetune.doctor.near import MAX_DUPLICATE_GROUP_SIZE
from finetune.tasks import Task

_PART_PRIORITY: Final = (
    SplitPart.TEST,
    SplitPart.VAL,
    SplitPart.TRAIN,
    None,
)  # of copies in several parts, the part that keeps them


@dataclass(frozen=True, slots=True)
class CleanTable:
    """A manifest that was written."""

    path: Path
    kept: int
    dropped: int  # of those that could be read
    suspects: int  # of those that are in it
    leaks: int  # groups of near duplicates across parts that were left in, as they are large
    command: str  # that trains on it

    def to_dict(self) -> dict[str, Any]:
        """Return what a program wants to know of it; ready for JSON."""
        return asdict(self) | {"path": str(self.path)}


def write_clean_table(findings: Findings, path: Path) -> CleanTable:
    """Write a cleaned manifest to `path`; the data are not touched, and no label is changed.

    Left out: what cannot be read, contradictions, all but one of exact copies, and of leaks what lies in a lesser
    part (test keeps its samples before val, val before train). Near duplicates in groups of more than FEW stay: they
    may be different after all. Suspect labels stay, too, with the suggested one in a column `suspect`.

    Raises:
        DatasetError: there is a file of that name, or the samples cannot stand in a table.
    """
    require_writable_table(findings, path)
    dropped_rows = rows_to_drop(findings)
    rows = [row for row in range(len(findings.samples)) if row not in dropped_rows]
    kept_rows = set(rows)
    suggestions = {
        one.row: one.suggested_label
        for one in reversed(findings.label_errors.suspects if findings.label_errors else ())
    }
    suggestions = {row: label for row, label in suggestions.items() if row in kept_rows}
    write_table_csv(findings, rows, suggestions, path)
    large_leaks = sum(len(leak.rows) > MAX_DUPLICATE_GROUP_SIZE for leak in findings.leaks)
    return CleanTable(path, len(rows), len(dropped_rows), len(suggestions), large_leaks, _train_command(findings, path))


def rows_to_drop(findings: Findings) -> set[int]:
    """Return the rows of the samples that are left out."""

    def rank(row: int) -> int:
        return _PART_PRIORITY.index(findings.samples[row].part)

    rows = {row for group in findings.contradictions for row in group.rows}
    for group in findings.exact_duplicates:
        rows |= set(sorted(group.rows, key=rank)[1:])
    for group in (leak for leak in findings.leaks if len(leak.rows) <= MAX_DUPLICATE_GROUP_SIZE):
        best = min(map(rank, group.rows))
        rows |= {row for row in group.rows if rank(row) > best}
    return rows


def _train_command(findings: Findings, path: Path) -> str:
    label = f" --label {shlex.quote(findings.target)}" if findings.task is Task.REGRESS else ""
    return f"finetune {shlex.quote(str(path))} --task {findings.task}{label}"
