"""Labels as numbers, for each task. Shapes: n samples, k classes or tags."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from finetune.check import AT_LEAST, check_names
from finetune.dataset import Part, Sample
from finetune.tasks import Task, separator_of, tags_of
from zoo.errors import DatasetError
from zoo.table.sheet import as_number

QUANTILES: Final = 5  # into which a number's range is cut, so that every part gets of each


@dataclass(frozen=True, slots=True)
class Targets:
    """What is to be learnt of n samples, in their order."""

    labels: tuple[str, ...]  # of the bundle: k classes, k tags, the one number's name, or none
    y: NDArray[Any]  # classify int [n]; tag bool [n,k]; regress float64 [n]; embed float64 [n,0]
    strata: tuple[str, ...]  # n groups, each of which every part should get a share of
    notes: tuple[str, ...] = ()


def targets(task: Task, samples: Sequence[Sample], target: str = "value") -> Targets:
    """Return what `task` learns of `samples`; `target` is what a regression's number is called.

    Raises:
        DatasetError: there is nothing to learn.
    """
    match task:
        case Task.CLASSIFY:
            labels = tuple(sorted({sample.label for sample in samples}))
            row = {label: number for number, label in enumerate(labels)}
            y = np.array([row[sample.label] for sample in samples], np.intp)
            return Targets(labels, y, tuple(sample.label for sample in samples))
        case Task.TAG:
            return _tags(samples)
        case Task.REGRESS:
            return _numbers(samples, target)
        case Task.EMBED:
            return Targets((), np.empty((len(samples), 0)), ("",) * len(samples))


def _tags(samples: Sequence[Sample]) -> Targets:
    separator = separator_of({sample.label for sample in samples})
    each = [tags_of(sample.label, separator) for sample in samples]
    counts = Counter(tag for tags in each for tag in tags)
    split = any(sample.part for sample in samples)
    learnable = counts
    if split:
        learnable = Counter(
            tag for sample, tags in zip(samples, each, strict=True) if sample.part in (None, Part.TRAIN) for tag in tags
        )
    labels = tuple(sorted(tag for tag in counts if learnable[tag] >= AT_LEAST))
    if not labels:
        raise DatasetError(
            f"no tag stands on {AT_LEAST} samples or more, so none can be learnt and measured. Add samples, or take "
            "--task classify."
        )
    check_names("the label column", labels)
    at = {tag: number for number, tag in enumerate(labels)}
    y = np.zeros((len(samples), len(labels)), np.bool_)
    for row, tags in enumerate(each):
        y[row, [at[tag] for tag in tags if tag in at]] = True
    rarest = tuple(min((tag for tag in tags if tag in at), key=lambda t: (counts[t], t), default="") for tags in each)
    rare = sorted(counts.keys() - at.keys())
    notes = (
        (f"{len(rare):,} tags are on fewer than {AT_LEAST} samples to train on and were left out: {_some(rare)}.",)
        if rare
        else ()
    )
    return Targets(labels, y, rarest, notes)


def _numbers(samples: Sequence[Sample], target: str) -> Targets:
    y = np.array([as_number(sample.label) for sample in samples], np.float64)
    cuts = np.quantile(y, np.linspace(0, 1, QUANTILES + 1)[1:-1])
    # Few samples make few groups: each part gets one of each group.
    groups = min(QUANTILES, max(1, len(y) // AT_LEAST))
    strata = np.searchsorted(cuts, y, side="right") * groups // QUANTILES
    return Targets((target,), y, tuple(f"quantile {group + 1}" for group in strata.tolist()))


def _some(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:8])) + (", …" if len(names) > 8 else "")
