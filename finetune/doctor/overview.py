"""The findings in a few words each: what a table, a page and the lines before training have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from finetune.doctor.balance import uneven
from finetune.doctor.findings import Findings, Group
from finetune.tasks import Task


@dataclass(frozen=True, slots=True)
class Line:
    """One kind of finding."""

    what: str
    count: int  # 0: nothing of the kind was found
    told: str  # what that means
    value: str = ""  # shown instead of the count

    @property
    def shown(self) -> str:
        """The count as people read it."""
        return (self.value or f"{self.count:,}") if self.count else "–"


def overview(found: Findings) -> tuple[Line, ...]:
    """Return a line for each kind of finding that was looked for."""
    lines = [
        Line("unusable", len(found.bad), "cannot be read; training skips them"),
        Line("misnamed", len(found.misnamed), "of another format than their name says; read as what they are"),
        Line("exact copies", _spare(found.duplicates), "the same content again"),
        Line("contradictions", len(found.contradictions), "the same content under different labels: none is learnt"),
        Line("near duplicates", _spare(found.near), "nearly the same content again, by the features"),
        Line("leaks", len(found.leaks), "copies, exact or near, in more than one part of the split: scores flatter"),
    ]
    if found.task in (Task.CLASSIFY, Task.TAG):
        lines += [Line("names alike", len(found.alike), "two spellings of one?"), _uneven(found)]
    if found.task is Task.CLASSIFY:
        lines.append(Line("class twins", len(found.twins), "the features cannot tell two classes apart"))
    if found.suspects and found.task is Task.REGRESS:
        lines.append(Line("far off", len(found.suspects.found), "numbers unlike what other samples suggest"))
    elif found.suspects:
        about = f"likely ones; the data may hold about {found.suspects.estimated or 0:,}"
        lines.append(Line("label errors", len(found.suspects.found), about))
    return tuple(lines)


def _spare(groups: Sequence[Group]) -> int:
    return sum(len(group.rows) - 1 for group in groups)


def _uneven(found: Findings) -> Line:
    if not found.balance:
        return Line("uneven", 0, "")
    (most, many), (least, few) = found.balance.counts[0], found.balance.counts[-1]
    told = f"from {many:,} samples ({most!r}) to {few:,} ({least!r})"
    return Line("uneven", int(uneven(found.balance)), told, f"{found.balance.ratio:.1f}×")
