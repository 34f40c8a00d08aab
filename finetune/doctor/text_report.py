"""The findings as text for a terminal: a table, then the first of each kind; and a few lines before training."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import Final

from finetune.data.task import Task
from finetune.doctor.findings import DuplicateGroup, Findings, SuspectLabel, summarize_findings
from finetune.doctor.fix import CleanTable

MAX_PRINTED_FINDINGS: Final = 10  # of each kind
MAX_GROUP_MEMBERS: Final = 4  # of each group that are printed
OMIT_FROM_BRIEF: Final = ("unusable", "misnamed", "uneven")  # reported elsewhere before training

TextCells = Sequence[str]


def render_text(findings: Findings) -> str:
    """Return all findings as text; long lists are cut."""
    head = f"{findings.source}: {len(findings.samples):,} {findings.kind.plural}, task {findings.task}"
    counts = [(one.name, f"{one.display_count:>7}", one.meaning) for one in summarize_findings(findings)]
    lines = [
        head,
        *([f"cannot be trained on: {findings.training_error}"] if findings.training_error else []),
        "",
        *_align_columns(counts),
    ]
    for title, rows in _detail_tables(findings):
        if rows:
            lines += ["", title, *(f"  {line}" for line in _align_columns(rows[:MAX_PRINTED_FINDINGS]))]
            lines += (
                [f"  … and {len(rows) - MAX_PRINTED_FINDINGS:,} more: --json lists all"]
                if len(rows) > MAX_PRINTED_FINDINGS
                else []
            )
    lines += [f"\nnot checked: {one}" for one in findings.skipped_checks]
    return "\n".join(lines)


def render_next_steps(findings: Findings, html: str | None, clean_table: CleanTable | None) -> Iterator[str]:
    """Yield lines about the files that were written, and the command to run next."""
    if html:
        yield f"\nThe findings as a page: {html}"
    if clean_table:
        yield f"\n{clean_table.path}: {clean_table.sample_count:,} samples, {clean_table.dropped:,} left out"
        if clean_table.suspects:
            yield f"  {clean_table.suspects:,} suspect labels are marked in a column, not changed"
        if clean_table.leaks:
            yield f"  {clean_table.leaks:,} large groups of near duplicates across parts are left in: look at them"
        yield f"\nNext:\n  {clean_table.command}"
    elif not findings.training_error and any(one.count for one in summarize_findings(findings)):
        yield f"\nNext:\n  finetune check {shlex.quote(findings.source)} --html check.html --fix clean.csv"


def render_brief(findings: Findings) -> Iterator[str]:
    """Yield a few lines about the most important findings, for the log before training; none without findings."""
    hits = [one for one in summarize_findings(findings) if one.count and one.name not in OMIT_FROM_BRIEF]
    if hits:
        yield "findings in the data: " + ", ".join(f"{one.name} {one.display_count}" for one in hits)
    if findings.contradictions:
        copies = _describe_members(findings, findings.contradictions[0], labels=True)
        yield f"no model can learn both labels: {copies} are the same content"
    for twins in findings.confusable_classes[:3]:
        yield f"the features cannot tell {twins.labels[0]!r} and {twins.labels[1]!r} apart: are they one class?"
    if findings.label_errors and findings.label_errors.suspects:
        first = findings.label_errors.suspects[0]
        ref = findings.samples[first.row].ref
        yield f"the likeliest label error: {ref} is {first.label}, looks like {first.suggested_label}"
    if hits:
        yield "`finetune check` lists them all; the report shows some"
    if findings.label_errors is None and findings.task is not Task.EMBED:
        yield from (f"not checked: {one}" for one in findings.skipped_checks)


def _detail_tables(findings: Findings) -> Iterator[tuple[str, list[TextCells]]]:
    yield "unusable", [(one.ref, one.reason) for one in findings.skipped_samples]
    yield "misnamed", [(ref,) for ref in findings.misnamed_files]
    yield "exact copies", [(_describe_members(findings, one),) for one in findings.exact_duplicates]
    yield "contradictions", [(_describe_members(findings, one, labels=True),) for one in findings.contradictions]
    yield (
        "near duplicates",
        [
            (f"{one.similarity:.3f}", _describe_members(findings, one, labels=_has_contradiction(findings, one)))
            for one in findings.near_duplicates
        ],
    )
    yield "leaks", [(f"{one.similarity:.3f}", _describe_members(findings, one, parts=True)) for one in findings.leaks]
    yield "names alike", [tuple(map(repr, pair)) for pair in findings.similar_names]
    yield (
        "class twins",
        [
            (
                *map(repr, one.labels),
                f"{one.confusion_count:,} of {one.sample_count:,} taken for the other",
                f"AUC {one.auc:.2f}",
            )
            for one in findings.confusable_classes
        ],
    )
    suspects = findings.label_errors.suspects if findings.label_errors else ()
    regress = findings.task is Task.REGRESS
    title = "numbers that are far off, the furthest first" if regress else "likely label errors, the likeliest first"
    yield title, [_suspect_cells(findings, one) for one in suspects]


def _suspect_cells(findings: Findings, one: SuspectLabel) -> TextCells:
    ref = findings.samples[one.row].ref
    if findings.task is Task.REGRESS:
        return ref, f"is {one.label}", f"looks like {one.suggested_label}", f"{-one.score:.1f} deviations off"
    return (
        ref,
        f"is {one.label} ({one.label_probability:.0%})",
        f"looks like {one.suggested_label} ({one.suggested_probability:.0%})",
    )


def _has_contradiction(findings: Findings, group: DuplicateGroup) -> bool:
    return len({findings.samples[row].label for row in group.rows}) > 1


def _describe_members(findings: Findings, group: DuplicateGroup, *, labels: bool = False, parts: bool = False) -> str:
    """Return the refs of a group's samples, with their labels or their parts if requested."""

    def name(row: int) -> str:
        sample = findings.samples[row]
        beside = [sample.label] if labels else [str(sample.part)] if parts and sample.part else []
        return f"{sample.ref} ({beside[0]})" if beside else sample.ref

    members = [name(row) for row in _representative_rows(findings, group.rows, parts=parts)[:MAX_GROUP_MEMBERS]]
    rest = len(group.rows) - len(members)
    return " = ".join(members) + (f" = … {rest:,} more" if rest else "")


def _representative_rows(findings: Findings, rows: Sequence[int], *, parts: bool) -> list[int]:
    """Return `rows`; with `parts`, those first that are the first of their part."""
    if not parts:
        return list(rows)
    first = {findings.samples[row].part: row for row in reversed(rows)}
    return [*sorted(first.values()), *(row for row in rows if row not in first.values())]


def _align_columns(rows: Sequence[TextCells]) -> list[str]:
    """Return rows as aligned columns; nothing is cut off, whatever the terminal's width."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)] if rows else []
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
