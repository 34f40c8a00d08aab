"""How unevenly classes or tags are filled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from finetune.balance import IMBALANCE_THRESHOLD
from finetune.doctor.findings import LabelCounts


def count_labels(labels: Iterable[str]) -> LabelCounts | None:
    """Return how often each name is among `labels`; None where there is none."""
    counts = Counter(labels)
    return LabelCounts(tuple(sorted(counts.items(), key=lambda one: (-one[1], one[0])))) if counts else None


def is_imbalanced(label_counts: LabelCounts | None) -> bool:
    """Say whether classes are so uneven that training tries whether rare ones should count more."""
    return label_counts is not None and label_counts.imbalance_ratio > IMBALANCE_THRESHOLD
