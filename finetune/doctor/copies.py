"""The same content more than once, under one label or under several."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from finetune.dataset import Sample
from finetune.doctor.findings import Group
from finetune.tasks import Task, separator_of, tags_of
from zoo.table.sheet import as_number


def copies(sha256: Sequence[bytes]) -> tuple[Group, ...]:
    """Return the groups of samples whose contents are the same."""
    rows: defaultdict[bytes, list[int]] = defaultdict(list)
    for row, sha in enumerate(sha256):
        rows[sha].append(row)
    return tuple(Group(tuple(same)) for same in rows.values() if len(same) > 1)


def contradict(group: Group, meanings: Sequence[object]) -> bool:
    """Say whether the samples of a group have labels that mean different things."""
    return len({meanings[row] for row in group.rows}) > 1


def meanings(task: Task, samples: Sequence[Sample]) -> list[object]:
    """Return what each label means: tags in any order are the same tags, 1.0 is 1; to embed, none means anything."""
    match task:
        case Task.EMBED:
            return [None] * len(samples)
        case Task.TAG:
            separator = separator_of({sample.label for sample in samples})
            return [tags_of(sample.label, separator) for sample in samples]
        case Task.REGRESS:
            return [as_number(sample.label) for sample in samples]
        case Task.CLASSIFY:
            return [sample.label for sample in samples]
