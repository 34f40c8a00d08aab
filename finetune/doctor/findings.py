"""What the doctor found, as plain values. Samples are rows of `Findings.samples`."""

from __future__ import annotations

from dataclasses import dataclass

from finetune.data.dataset import DataKind, LabeledSample, SkippedSample
from finetune.data.task import Task


@dataclass(frozen=True, slots=True)
class DuplicateGroup:
    """Samples that are copies of each other, or nearly."""

    rows: tuple[int, ...]  # ascending
    similarity: float = 1.0  # the least cosine of a member to the one that is most like it


@dataclass(frozen=True, slots=True)
class ConfusablePair:
    """Two classes that the features cannot tell apart."""

    labels: tuple[str, str]
    auc: float  # how often a sample of the first looks more like the first than one of the second does; 0.5 is chance
    confusion_count: int  # samples of either that were taken for the other
    sample_count: int


@dataclass(frozen=True, slots=True)
class LabelCounts:
    """How many samples each class or tag has, the most first."""

    counts: tuple[tuple[str, int], ...]

    @property
    def imbalance_ratio(self) -> float:
        """The largest over the smallest."""
        return self.counts[0][1] / self.counts[-1][1]


@dataclass(frozen=True, slots=True)
class SuspectLabel:
    """A sample whose label is likely wrong."""

    row: int
    label: str
    suggested_label: str
    label_probability: float  # probability of the label it has; of a number, its residual
    suggested_probability: float  # probability of the suggested one; of a number, 0
    score: float  # the lower the likelier wrong


@dataclass(frozen=True, slots=True)
class LabelErrors:
    """The likeliest label errors."""

    suspects: tuple[SuspectLabel, ...]  # the likeliest first
    ranked_rows: tuple[int, ...]  # all rows that were looked at, the likeliest wrong first
    estimated_count: int | None  # label errors that the data hold, by the confident joint; None where that says nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """All that was found in the data."""

    source: str
    kind: DataKind
    texts_per_sample: int
    task: Task
    target: str
    samples: tuple[LabeledSample, ...]  # that could be read
    skipped_samples: tuple[SkippedSample, ...]
    misnamed_files: tuple[str, ...]  # refs
    training_error: str = ""  # why nothing can be trained on the data as they are
    exact_duplicates: tuple[DuplicateGroup, ...] = ()  # exact copies that agree
    contradictions: tuple[DuplicateGroup, ...] = ()  # exact copies that do not
    near_duplicates: tuple[DuplicateGroup, ...] = ()  # near duplicates, exact copies of them too
    leaks: tuple[DuplicateGroup, ...] = ()  # groups of either kind that lie in more than one part
    similar_names: tuple[tuple[str, str], ...] = ()  # names of classes or tags
    confusable_classes: tuple[ConfusablePair, ...] = ()
    label_counts: LabelCounts | None = None
    label_errors: LabelErrors | None = None
    skipped_checks: tuple[str, ...] = ()  # what was not looked at, and why
    seconds: float = 0.0  # how long it took, once the features were there
