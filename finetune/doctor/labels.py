"""What answers from heads that have not seen the samples say of their labels, for each task."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from finetune.doctor import suspects
from finetune.doctor.crossval import folds, unseen
from finetune.doctor.findings import Suspects, Twins
from finetune.doctor.twins import twins
from finetune.rows import take
from finetune.targets import Targets
from finetune.tasks import Task
from zoo.errors import DatasetError

Floats = NDArray[np.float32]

ANSWERS: Final = 50_000_000  # numbers that cross-validation may hold: samples times classes
ENOUGH: Final = 3  # contents of a class without which nothing is said of its labels


@dataclass(frozen=True, slots=True)
class Said:
    """What was found of the labels."""

    suspects: Suspects | None = None
    twins: tuple[Twins, ...] = ()
    omitted: tuple[str, ...] = ()


def labels(task: Task, x: Floats, aims: Targets, contents: Sequence[bytes]) -> Said:
    """Return what is to be said of the labels of samples with features `x` [n,d]; `contents` [n] as `folds` wants.

    Raises:
        DatasetError: nothing can be learnt of them.
    """
    of: dict[Task, Callable[[Floats, Targets, Sequence[bytes]], Said]] = {
        Task.CLASSIFY: _classes,
        Task.TAG: _tags,
        Task.REGRESS: _numbers,
    }
    if len(x) * len(aims.labels) > ANSWERS:
        raise DatasetError(f"{len(x):,} samples times {len(aims.labels):,} are too many.")
    return of[task](x, aims, contents) if task in of else Said(omitted=("labels: there are none",))


def _classes(x: Floats, aims: Targets, contents: Sequence[bytes]) -> Said:
    strata = aims.strata
    counts = Counter(stratum for stratum, _ in set(zip(strata, contents, strict=True)))
    known = tuple(label for label in aims.labels if counts[label] >= ENOUGH)
    few = [label for label in aims.labels if counts[label] < ENOUGH]
    if len(known) < 2:
        raise DatasetError(f"fewer than two classes have {ENOUGH} different samples.")
    number = {label: at for at, label in enumerate(known)}
    rows = [row for row, stratum in enumerate(strata) if stratum in number]
    y = np.array([number[strata[row]] for row in rows], np.intp)
    fold = folds([strata[row] for row in rows], [contents[row] for row in rows])
    kept = np.array(rows, np.intp)
    p = suspects.probabilities(unseen(take(x, kept) if few else x, np.eye(len(known), dtype=np.float32)[y], fold), y)
    omitted = (f"the labels {_some(few)}: fewer than {ENOUGH} different samples each",) if few else ()
    return Said(suspects.classes(p, y, known, kept), twins(p, y, known), omitted)


def _tags(x: Floats, aims: Targets, contents: Sequence[bytes]) -> Said:
    answers = unseen(x, aims.y, folds(aims.strata, contents))
    return Said(suspects.tags(answers, aims.y, aims.labels), omitted=aims.notes)


def _numbers(x: Floats, aims: Targets, contents: Sequence[bytes]) -> Said:
    return Said(suspects.numbers(unseen(x, aims.y[:, None], folds(aims.strata, contents)), aims.y))


def _some(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:8])) + (", …" if len(names) > 8 else "")
