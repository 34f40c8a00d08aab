"""The findings in a few words each: what a table, a page and the lines before training have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from finetune.data.task import Task
from finetune.doctor.class_checks import is_imbalanced
from finetune.doctor.findings import DuplicateGroup, Findings


@dataclass(frozen=True, slots=True)
class FindingSummary:
    """One kind of finding."""

    name: str
    count: int  # 0: nothing of the kind was found
    meaning: str  # what that means
    count_text: str = ""  # shown instead of the count

    @property
    def display_count(self) -> str:
        """The count as people read it."""
        return (self.count_text or f"{self.count:,}") if self.count else "–"


def summarize_findings(findings: Findings) -> tuple[FindingSummary, ...]:
    """Return a line for each kind of finding that was looked for."""
    lines = [
        FindingSummary("unusable", len(findings.skipped_samples), "cannot be read; training skips them"),
        FindingSummary(
            "misnamed", len(findings.misnamed_files), "of another format than their name says; read as what they are"
        ),
        FindingSummary("exact copies", _count_extra_copies(findings.exact_duplicates), "the same content again"),
        FindingSummary(
            "contradictions", len(findings.contradictions), "the same content under different labels: none is learnt"
        ),
        FindingSummary(
            "near duplicates",
            _count_extra_copies(findings.near_duplicates),
            "nearly the same content again, by the features",
        ),
        FindingSummary(
            "leaks", len(findings.leaks), "copies, exact or near, in more than one part of the split: scores flatter"
        ),
    ]
    if findings.task in (Task.CLASSIFY, Task.TAG):
        lines += [
            FindingSummary("names alike", len(findings.similar_names), "two spellings of one?"),
            _summarize_imbalance(findings),
        ]
    if findings.task is Task.CLASSIFY:
        lines.append(
            FindingSummary(
                "class twins", len(findings.confusable_classes), "the features cannot tell two classes apart"
            )
        )
    if findings.label_errors and findings.task is Task.REGRESS:
        lines.append(
            FindingSummary("far off", len(findings.label_errors.suspects), "numbers unlike what other samples suggest")
        )
    elif findings.label_errors:
        meaning = f"likely ones; the data may hold about {findings.label_errors.estimated_count or 0:,}"
        lines.append(FindingSummary("label errors", len(findings.label_errors.suspects), meaning))
    return tuple(lines)


def _count_extra_copies(groups: Sequence[DuplicateGroup]) -> int:
    return sum(len(group.rows) - 1 for group in groups)


def _summarize_imbalance(findings: Findings) -> FindingSummary:
    if not findings.label_counts:
        return FindingSummary("uneven", 0, "")
    (most, many), (least, few) = findings.label_counts.counts[0], findings.label_counts.counts[-1]
    meaning = f"from {many:,} samples ({most!r}) to {few:,} ({least!r})"
    return FindingSummary(
        "uneven", int(is_imbalanced(findings.label_counts)), meaning, f"{findings.label_counts.imbalance_ratio:.1f}×"
    )
