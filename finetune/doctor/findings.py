"""The findings about a dataset as plain values, in short as a summary, and as JSON. Samples are rows of `samples`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from finetune.data.dataset import DataKind, LabeledSample, SkippedSample
from finetune.data.task import Task
from finetune.head.class_weights import IMBALANCE_THRESHOLD


@dataclass(frozen=True, slots=True)
class DuplicateGroup:
    """Samples that are copies of each other, exact or near."""

    rows: tuple[int, ...]  # ascending
    similarity: float = 1.0  # the smallest cosine of a member to the member most like it


@dataclass(frozen=True, slots=True)
class ConfusablePair:
    """Two classes that the features cannot tell apart."""

    labels: tuple[str, str]
    auc: float  # how often a sample of the first class looks more like it than one of the second does; 0.5 is chance
    confusion_count: int  # samples of either that were predicted as the other
    sample_count: int


@dataclass(frozen=True, slots=True)
class LabelCounts:
    """The number of samples of each class or tag, largest first."""

    counts: tuple[tuple[str, int], ...]

    @property
    def imbalance_ratio(self) -> float:
        """The largest count over the smallest."""
        return self.counts[0][1] / self.counts[-1][1]

    @property
    def is_imbalanced(self) -> bool:
        """Whether training tries class weights on such classes."""
        return self.imbalance_ratio > IMBALANCE_THRESHOLD


@dataclass(frozen=True, slots=True)
class SuspectLabel:
    """A sample whose label is likely wrong."""

    row: int
    label: str
    suggested_label: str
    label_probability: float  # of the present label; of a number, its residual
    suggested_probability: float  # of the suggested label; of a number, 0
    score: float  # the lower, the likelier wrong


@dataclass(frozen=True, slots=True)
class LabelErrors:
    """The likeliest label errors."""

    suspects: tuple[SuspectLabel, ...]  # likeliest first
    ranked_rows: tuple[int, ...]  # all rows that were checked, likeliest first
    estimated_count: int | None  # label errors in the data by the confident joint; None: no estimate for numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Everything that the checks found in a dataset."""

    source: str
    kind: DataKind
    texts_per_sample: int
    task: Task
    target: str
    samples: tuple[LabeledSample, ...]  # that could be read
    skipped_samples: tuple[SkippedSample, ...]
    misnamed_files: tuple[str, ...]  # refs
    training_error: str = ""  # why nothing can be trained on the data as they are
    exact_duplicates: tuple[DuplicateGroup, ...] = ()  # under one label
    contradictions: tuple[DuplicateGroup, ...] = ()  # exact duplicates under different labels
    near_duplicates: tuple[DuplicateGroup, ...] = ()  # with the exact duplicates of their members
    leaks: tuple[DuplicateGroup, ...] = ()  # duplicates, exact or near, in more than one part of the split
    similar_names: tuple[tuple[str, str], ...] = ()  # of classes or tags
    confusable_classes: tuple[ConfusablePair, ...] = ()
    label_counts: LabelCounts | None = None
    label_errors: LabelErrors | None = None
    skipped_checks: tuple[str, ...] = ()  # which checks did not run, and why
    seconds: float = 0.0  # of the checks, without extracting features

    def to_dict(self) -> dict[str, Any]:
        """Return every finding with the refs of its samples, ready for JSON (`finetune check --json`)."""
        return {
            "source": self.source,
            "kind": self.kind,
            "task": self.task,
            "samples": len(self.samples),
            "blocked": self.training_error or None,
            "counts": {one.name.replace(" ", "_"): one.count for one in summarize_findings(self)},
            "unusable": [{"ref": one.ref, "reason": one.reason} for one in self.skipped_samples],
            "misnamed": list(self.misnamed_files),
            "exact_copies": self._groups_as_dicts(self.exact_duplicates),
            "contradictions": self._groups_as_dicts(self.contradictions),
            "near_duplicates": self._groups_as_dicts(self.near_duplicates),
            "leaks": self._groups_as_dicts(self.leaks),
            "names_alike": [list(pair) for pair in self.similar_names],
            "class_twins": [
                {
                    "labels": list(one.labels),
                    "auc": round(one.auc, 4),
                    "confused": one.confusion_count,
                    "of": one.sample_count,
                }
                for one in self.confusable_classes
            ],
            "balance": dict(self.label_counts.counts) if self.label_counts else None,
            "label_errors": self._label_errors_as_dict(self.label_errors) if self.label_errors else None,
            "not_looked_at": list(self.skipped_checks),
            "seconds": round(self.seconds, 3),
        }

    def _groups_as_dicts(self, groups: Sequence[DuplicateGroup]) -> list[dict[str, Any]]:
        return [
            {
                "similarity": round(group.similarity, 4),
                "samples": [
                    {"ref": sample.ref, "label": sample.label, "part": sample.part}
                    for sample in (self.samples[row] for row in group.rows)
                ],
            }
            for group in groups
        ]

    def _label_errors_as_dict(self, errors: LabelErrors) -> dict[str, Any]:
        return {
            "estimated": errors.estimated_count,
            "found": [
                {
                    "ref": self.samples[one.row].ref,
                    "label": one.label,
                    "suggested": one.suggested_label,
                    "given": round(one.label_probability, 6),
                    "other": round(one.suggested_probability, 6),
                    "score": round(one.score, 6),
                }
                for one in errors.suspects
            ],
        }


@dataclass(frozen=True, slots=True)
class FindingSummary:
    """One kind of finding: a row in the table of the text report, of the page and of the lines before training."""

    name: str
    count: int  # 0: none
    meaning: str
    count_text: str = ""  # displayed instead of the count

    @property
    def display_count(self) -> str:
        """The count for people."""
        return (self.count_text or f"{self.count:,}") if self.count else "–"


def summarize_findings(findings: Findings) -> tuple[FindingSummary, ...]:
    """Return a summary of each kind of finding that was checked."""
    task, label_errors = findings.task, findings.label_errors
    copies = _count_extra_copies(findings.exact_duplicates)
    near = _count_extra_copies(findings.near_duplicates)
    rows = [
        ("unusable", len(findings.skipped_samples), "cannot be read; training skips them"),
        ("misnamed", len(findings.misnamed_files), "of another format than their name says; read as what they are"),
        ("exact copies", copies, "the same content again"),
        ("contradictions", len(findings.contradictions), "the same content under different labels: none is learnt"),
        ("near duplicates", near, "nearly the same content again, by the features"),
        ("leaks", len(findings.leaks), "copies, exact or near, in more than one part of the split: scores flatter"),
    ]
    summaries = [FindingSummary(*row) for row in rows]
    if task in (Task.CLASSIFY, Task.TAG):
        names = FindingSummary("names alike", len(findings.similar_names), "two spellings of one?")
        summaries += [names, _summarize_imbalance(findings.label_counts)]
    if task is Task.CLASSIFY:
        pairs = len(findings.confusable_classes)
        summaries.append(FindingSummary("class twins", pairs, "the features cannot tell two classes apart"))
    if label_errors and task is Task.REGRESS:
        outliers = len(label_errors.suspects)
        summaries.append(FindingSummary("far off", outliers, "numbers unlike what other samples suggest"))
    elif label_errors:
        meaning = f"likely ones; the data may hold about {label_errors.estimated_count or 0:,}"
        summaries.append(FindingSummary("label errors", len(label_errors.suspects), meaning))
    return tuple(summaries)


def _count_extra_copies(groups: Sequence[DuplicateGroup]) -> int:
    return sum(len(group.rows) - 1 for group in groups)


def _summarize_imbalance(label_counts: LabelCounts | None) -> FindingSummary:
    if not label_counts:
        return FindingSummary("uneven", 0, "")
    (largest, many), (smallest, few) = label_counts.counts[0], label_counts.counts[-1]
    meaning = f"from {many:,} samples ({largest!r}) to {few:,} ({smallest!r})"
    return FindingSummary("uneven", int(label_counts.is_imbalanced), meaning, f"{label_counts.imbalance_ratio:.1f}×")
