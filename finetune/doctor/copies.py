"""The same content more than once, under one label or under several."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from finetune.dataset import LabeledSample
from finetune.doctor.findings import DuplicateGroup
from finetune.tasks import Task, find_tag_separator, parse_tags
from zoo.table.sheet import parse_number


def find_exact_duplicates(sha256: Sequence[bytes]) -> tuple[DuplicateGroup, ...]:
    """Return the groups of samples whose contents are the same."""
    rows: defaultdict[bytes, list[int]] = defaultdict(list)
    for row, sha in enumerate(sha256):
        rows[sha].append(row)
    return tuple(DuplicateGroup(tuple(same)) for same in rows.values() if len(same) > 1)


def is_contradiction(group: DuplicateGroup, labels: Sequence[object]) -> bool:
    """Say whether the samples of a group have labels that mean different things."""
    return len({labels[row] for row in group.rows}) > 1


def canonical_labels(task: Task, samples: Sequence[LabeledSample]) -> list[object]:
    """Return what each label means: tags in any order are the same tags, 1.0 is 1; to embed, none means anything."""
    match task:
        case Task.EMBED:
            return [None] * len(samples)
        case Task.TAG:
            separator = find_tag_separator({sample.label for sample in samples})
            return [parse_tags(sample.label, separator) for sample in samples]
        case Task.REGRESS:
            return [parse_number(sample.label) for sample in samples]
        case Task.CLASSIFY:
            return [sample.label for sample in samples]
