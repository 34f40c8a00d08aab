"""Samples of one part of the data's own split that lie, or nearly lie, in another part, too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from finetune.dataset import LabeledSample
from finetune.doctor.findings import DuplicateGroup


def find_split_leaks(groups: Iterable[DuplicateGroup], samples: Sequence[LabeledSample]) -> tuple[DuplicateGroup, ...]:
    """Return the groups of copies that lie in more than one part; data without a split of their own have none."""
    return tuple(group for group in groups if len({samples[row].part for row in group.rows}) > 1)
