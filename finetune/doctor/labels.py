"""What answers from heads that have not seen the samples say of their labels, for each task."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from finetune.doctor import suspects
from finetune.doctor.crossval import assign_folds, predict_out_of_fold
from finetune.doctor.findings import ConfusablePair, LabelErrors
from finetune.doctor.twins import find_confusable_classes
from finetune.rows import take_rows
from finetune.targets import Targets
from finetune.tasks import Task
from zoo.errors import DatasetError

Float32Array = NDArray[np.float32]

MAX_PREDICTION_CELLS: Final = 50_000_000  # numbers that cross-validation may hold: samples times classes
MIN_SAMPLES_PER_CLASS: Final = 3  # contents of a class without which nothing is said of its labels


@dataclass(frozen=True, slots=True)
class LabelFindings:
    """What was found of the labels."""

    label_errors: LabelErrors | None = None
    confusable_classes: tuple[ConfusablePair, ...] = ()
    skipped_checks: tuple[str, ...] = ()


def examine_labels(task: Task, x: Float32Array, targets: Targets, contents: Sequence[bytes]) -> LabelFindings:
    """Return what is to be said of the labels of samples with features `x` [n,d]; `contents` [n] as `assign_folds` wants.

    Raises:
        DatasetError: nothing can be learnt of them.
    """
    examiners: dict[Task, Callable[[Float32Array, Targets, Sequence[bytes]], LabelFindings]] = {
        Task.CLASSIFY: _examine_classes,
        Task.TAG: _examine_tags,
        Task.REGRESS: _examine_numbers,
    }
    if len(x) * len(targets.labels) > MAX_PREDICTION_CELLS:
        raise DatasetError(f"{len(x):,} samples times {len(targets.labels):,} are too many.")
    return (
        examiners[task](x, targets, contents)
        if task in examiners
        else LabelFindings(skipped_checks=("labels: there are none",))
    )


def _examine_classes(x: Float32Array, targets: Targets, contents: Sequence[bytes]) -> LabelFindings:
    strata = targets.strata
    counts = Counter(stratum for stratum, _ in set(zip(strata, contents, strict=True)))
    learnable = tuple(label for label in targets.labels if counts[label] >= MIN_SAMPLES_PER_CLASS)
    few = [label for label in targets.labels if counts[label] < MIN_SAMPLES_PER_CLASS]
    if len(learnable) < 2:
        raise DatasetError(f"fewer than two classes have {MIN_SAMPLES_PER_CLASS} different samples.")
    number = {label: at for at, label in enumerate(learnable)}
    rows = [row for row, stratum in enumerate(strata) if stratum in number]
    y = np.array([number[strata[row]] for row in rows], np.intp)
    fold = assign_folds([strata[row] for row in rows], [contents[row] for row in rows])
    kept_rows = np.array(rows, np.intp)
    p = suspects.calibrate_probabilities(
        predict_out_of_fold(take_rows(x, kept_rows) if few else x, np.eye(len(learnable), dtype=np.float32)[y], fold), y
    )
    omitted = (
        (f"the labels {_quote_names(few)}: fewer than {MIN_SAMPLES_PER_CLASS} different samples each",) if few else ()
    )
    return LabelFindings(
        suspects.find_class_errors(p, y, learnable, kept_rows), find_confusable_classes(p, y, learnable), omitted
    )


def _examine_tags(x: Float32Array, targets: Targets, contents: Sequence[bytes]) -> LabelFindings:
    answers = predict_out_of_fold(x, targets.y, assign_folds(targets.strata, contents))
    return LabelFindings(suspects.find_tag_errors(answers, targets.y, targets.labels), skipped_checks=targets.notes)


def _examine_numbers(x: Float32Array, targets: Targets, contents: Sequence[bytes]) -> LabelFindings:
    return LabelFindings(
        suspects.find_number_outliers(
            predict_out_of_fold(x, targets.y[:, None], assign_folds(targets.strata, contents)), targets.y
        )
    )


def _quote_names(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:8])) + (", …" if len(names) > 8 else "")
