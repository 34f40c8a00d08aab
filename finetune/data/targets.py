"""Targets: labels as arrays to train on, for each task. Shapes: n samples, k classes or tags."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from finetune.data.dataset import LabeledSample, SplitPart
from finetune.data.label_checks import MIN_SAMPLES, check_class_names
from finetune.data.task import Task, find_tag_separator, parse_tags
from graft.errors import DatasetError
from graft.tables.table import parse_number

REGRESSION_STRATA: Final = 5  # quantile groups of a regression's numbers, for a stratified split


@dataclass(frozen=True, slots=True)
class Targets:
    """The targets of n samples, in their order."""

    labels: tuple[str, ...]  # of the bundle: k classes, k tags, the name of the number, or none
    y: NDArray[Any]  # classify int [n]; tag bool [n,k]; regress float64 [n]; embed float64 [n,0]
    strata: tuple[str, ...]  # n; the group of each sample in a stratified split
    notes: tuple[str, ...] = ()


def build_targets(task: Task, samples: Sequence[LabeledSample], target_name: str = "value") -> Targets:
    """Return the targets of `samples` for `task`; `target_name` names the number of a regression.

    Raises:
        DatasetError: no tag has enough samples, or two tags have nearly the same name.
    """
    match task:
        case Task.CLASSIFY:
            labels = tuple(sorted({sample.label for sample in samples}))
            row = {label: number for number, label in enumerate(labels)}
            y = np.array([row[sample.label] for sample in samples], np.intp)
            return Targets(labels, y, tuple(sample.label for sample in samples))
        case Task.TAG:
            return _tag_targets(samples)
        case Task.REGRESS:
            return _numeric_targets(samples, target_name)
        case Task.EMBED:
            return Targets((), np.empty((len(samples), 0)), ("",) * len(samples))


def _tag_targets(samples: Sequence[LabeledSample]) -> Targets:
    separator = find_tag_separator({sample.label for sample in samples})
    tags_by_row = [parse_tags(sample.label, separator) for sample in samples]
    counts = Counter(tag for tags in tags_by_row for tag in tags)
    split = any(sample.part for sample in samples)
    learnable = counts
    if split:
        learnable = Counter(
            tag
            for sample, tags in zip(samples, tags_by_row, strict=True)
            if sample.part in (None, SplitPart.TRAIN)
            for tag in tags
        )
    labels = tuple(sorted(tag for tag in counts if learnable[tag] >= MIN_SAMPLES))
    if not labels:
        raise DatasetError(
            f"no tag has {MIN_SAMPLES} samples or more, so none can be trained and evaluated. Add samples, or use "
            "--task classify."
        )
    check_class_names("the label column", labels)
    column_by_tag = {tag: number for number, tag in enumerate(labels)}
    y = np.zeros((len(samples), len(labels)), np.bool_)
    for row, tags in enumerate(tags_by_row):
        y[row, [column_by_tag[tag] for tag in tags if tag in column_by_tag]] = True
    rarest = tuple(
        min((tag for tag in tags if tag in column_by_tag), key=lambda t: (counts[t], t), default="")
        for tags in tags_by_row
    )
    rare = sorted(counts.keys() - column_by_tag.keys())
    notes = (
        (
            f"{len(rare):,} tags have fewer than {MIN_SAMPLES} samples to train on and were left out: "
            f"{_quote_names(rare)}.",
        )
        if rare
        else ()
    )
    return Targets(labels, y, rarest, notes)


def _numeric_targets(samples: Sequence[LabeledSample], target_name: str) -> Targets:
    y = np.array([parse_number(sample.label) for sample in samples], np.float64)
    cuts = np.quantile(y, np.linspace(0, 1, REGRESSION_STRATA + 1)[1:-1])
    # Few samples make few groups, so that each part gets a sample of each group.
    groups = min(REGRESSION_STRATA, max(1, len(y) // MIN_SAMPLES))
    strata = np.searchsorted(cuts, y, side="right") * groups // REGRESSION_STRATA
    return Targets((target_name,), y, tuple(f"quantile {group + 1}" for group in strata.tolist()))


def _quote_names(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:8])) + (", …" if len(names) > 8 else "")
