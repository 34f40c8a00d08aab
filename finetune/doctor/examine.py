"""One look at the data: every finding, the cheap ones first."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from typing import Final

from finetune.check import check_numbers
from finetune.dataset import Dataset, Sample
from finetune.doctor.balance import balance
from finetune.doctor.copies import contradict, copies, meanings
from finetune.doctor.findings import Findings, Group
from finetune.doctor.labels import Said, labels
from finetune.doctor.leaks import leaks
from finetune.doctor.names import alike
from finetune.doctor.near import FEW, near
from finetune.features import Features
from finetune.targets import targets
from finetune.tasks import Task, separator_of, tags_of
from zoo.errors import DatasetError
from zoo.progress import Progress

QUICK: Final = 10_000  # samples up to which all of it takes a few seconds (`python -m benchmarks.doctor speed`)


def examine(data: Dataset, features: Features, progress: Progress, most: int | None = None) -> Findings:
    """Return all that is found in `data`, whose features are `features`.

    Of more than `most` samples, near duplicates and label errors are not looked for: they would take minutes.
    """
    start = time.perf_counter()
    samples, task = features.samples, data.task
    same = copies(features.sha256)
    meant = meanings(task, samples)
    agree, against = [tuple(one for one in same if contradict(one, meant) is odd) for odd in (False, True)]
    found = Findings(
        source=data.source,
        kind=data.kind,
        texts=data.texts,
        task=task,
        target=data.target,
        samples=samples,
        bad=features.bad,
        misnamed=features.misnamed,
        duplicates=agree,
        contradictions=against,
        leaks=leaks(same, samples),
        alike=alike(names := _names(task, samples)),
        balance=balance(names),
    )
    if most is not None and len(samples) > most:
        omitted = f"near duplicates and label errors among more than {most:,} samples: `finetune check` looks for them"
        found = dataclasses.replace(found, omitted=(omitted,))
    else:
        found = _by_features(found, data, features, same, progress)
    return dataclasses.replace(found, seconds=time.perf_counter() - start)


def _by_features(
    found: Findings, data: Dataset, features: Features, same: Sequence[Group], progress: Progress
) -> Findings:
    close = near(features.x, same, progress)
    in_close = {row for group in close for row in group.rows}
    apart = [group for group in same if group.rows[0] not in in_close]
    found = dataclasses.replace(found, near=close, leaks=leaks((*apart, *close), features.samples))
    contents = list(features.sha256)
    for group in close:
        for row in group.rows if len(group.rows) <= FEW else ():
            contents[row] = features.sha256[group.rows[0]]
    try:
        if data.task is Task.REGRESS:
            check_numbers(data.source, features.samples)
        said = labels(data.task, features.x, targets(data.task, features.samples, data.target), contents)
    except DatasetError as fault:  # what keeps a head from being fitted is no finding here: `checkup` tells it
        said = Said(omitted=(f"label errors: {fault}",))
    return dataclasses.replace(found, suspects=said.suspects, twins=said.twins, omitted=said.omitted)


def _names(task: Task, samples: Sequence[Sample]) -> list[str]:
    """Return the class of every sample, or all its tags; numbers have no names."""
    if task is Task.CLASSIFY:
        return [sample.label for sample in samples]
    if task is Task.TAG:
        separator = separator_of({sample.label for sample in samples})
        return [tag for sample in samples for tag in tags_of(sample.label, separator)]
    return []
