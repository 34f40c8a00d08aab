"""What the doctor prints for people: a table, then the first of each kind; and a few lines before training."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import Final

from finetune.doctor.findings import Findings, Group, Suspect
from finetune.doctor.mend import Mended
from finetune.doctor.overview import overview
from finetune.tasks import Task

FIRST: Final = 10  # findings of a kind that are printed
MEMBERS: Final = 4  # of a group
BRIEFLY: Final = ("unusable", "misnamed", "uneven")  # told elsewhere before training

Row = Sequence[str]


def told(found: Findings) -> str:
    """Return all of it, for a terminal."""
    head = f"{found.source}: {len(found.samples):,} {found.kind.plural}, task {found.task}"
    counts = [(one.what, f"{one.shown:>7}", one.told) for one in overview(found)]
    lines = [head, *([f"cannot be trained on: {found.blocked}"] if found.blocked else []), "", *_aligned(counts)]
    for title, rows in _details(found):
        if rows:
            lines += ["", title, *(f"  {line}" for line in _aligned(rows[:FIRST]))]
            lines += [f"  … and {len(rows) - FIRST:,} more: --json names all"] if len(rows) > FIRST else []
    lines += [f"\nnot looked at: {one}" for one in found.omitted]
    return "\n".join(lines)


def next_steps(found: Findings, html: str | None, mended: Mended | None) -> Iterator[str]:
    """Yield what was written, and what to type next."""
    if html:
        yield f"\nThe findings as a page: {html}"
    if mended:
        yield f"\n{mended.path}: {mended.kept:,} samples, {mended.dropped:,} left out"
        if mended.suspects:
            yield f"  {mended.suspects:,} suspect labels are marked in a column, not changed"
        if mended.leaks:
            yield f"  {mended.leaks:,} large groups of near duplicates across parts are left in: look at them"
        yield f"\nNext:\n  {mended.command}"
    elif not found.blocked and any(one.count for one in overview(found)):
        yield f"\nNext:\n  finetune check {shlex.quote(found.source)} --html check.html --fix clean.csv"


def brief(found: Findings) -> Iterator[str]:
    """Yield the lines that are told before training; none where all is well."""
    hits = [one for one in overview(found) if one.count and one.what not in BRIEFLY]
    if hits:
        yield "a look at the data: " + ", ".join(f"{one.what} {one.shown}" for one in hits)
    if found.contradictions:
        yield f"no model can learn both: {_members(found, found.contradictions[0], labels=True)} are the same content"
    for twins in found.twins[:3]:
        yield f"the features cannot tell {twins.labels[0]!r} and {twins.labels[1]!r} apart: are they one class?"
    if found.suspects and found.suspects.found:
        first = found.suspects.found[0]
        ref = found.samples[first.row].ref
        yield f"the likeliest label error: {ref} is {first.label}, looks like {first.suggested}"
    if hits:
        yield "`finetune check` names them all; the report shows some"
    if found.suspects is None and found.task is not Task.EMBED:
        yield from (f"not looked for: {one}" for one in found.omitted)


def _details(found: Findings) -> Iterator[tuple[str, list[Row]]]:
    yield "unusable", [(one.ref, one.reason) for one in found.bad]
    yield "misnamed", [(ref,) for ref in found.misnamed]
    yield "exact copies", [(_members(found, one),) for one in found.duplicates]
    yield "contradictions", [(_members(found, one, labels=True),) for one in found.contradictions]
    yield (
        "near duplicates",
        [(f"{one.similarity:.3f}", _members(found, one, labels=_differ(found, one))) for one in found.near],
    )
    yield "leaks", [(f"{one.similarity:.3f}", _members(found, one, parts=True)) for one in found.leaks]
    yield "names alike", [tuple(map(repr, pair)) for pair in found.alike]
    yield (
        "class twins",
        [
            (*map(repr, one.labels), f"{one.confused:,} of {one.of:,} taken for the other", f"AUC {one.auc:.2f}")
            for one in found.twins
        ],
    )
    suspects = found.suspects.found if found.suspects else ()
    regress = found.task is Task.REGRESS
    title = "numbers that are far off, the furthest first" if regress else "likely label errors, the likeliest first"
    yield title, [_suspect(found, one) for one in suspects]


def _suspect(found: Findings, one: Suspect) -> Row:
    ref = found.samples[one.row].ref
    if found.task is Task.REGRESS:
        return ref, f"is {one.label}", f"looks like {one.suggested}", f"{-one.score:.1f} deviations off"
    return ref, f"is {one.label} ({one.given:.0%})", f"looks like {one.suggested} ({one.other:.0%})"


def _differ(found: Findings, group: Group) -> bool:
    return len({found.samples[row].label for row in group.rows}) > 1


def _members(found: Findings, group: Group, *, labels: bool = False, parts: bool = False) -> str:
    """Return the refs of a group's samples, with their labels or their parts if asked for."""

    def name(row: int) -> str:
        sample = found.samples[row]
        beside = [sample.label] if labels else [str(sample.part)] if parts and sample.part else []
        return f"{sample.ref} ({beside[0]})" if beside else sample.ref

    some = [name(row) for row in _telling(found, group.rows, parts=parts)[:MEMBERS]]
    rest = len(group.rows) - len(some)
    return " = ".join(some) + (f" = … {rest:,} more" if rest else "")


def _telling(found: Findings, rows: Sequence[int], *, parts: bool) -> list[int]:
    """Return `rows`, or first one of each part, where the parts are what matters."""
    if not parts:
        return list(rows)
    first = {found.samples[row].part: row for row in reversed(rows)}
    return [*sorted(first.values()), *(row for row in rows if row not in first.values())]


def _aligned(rows: Sequence[Row]) -> list[str]:
    """Return rows as columns; nothing is cut off, whatever the terminal's width."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)] if rows else []
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
