"""Find the likeliest label errors, by out-of-fold predictions (`finetune.doctor.cross_validation`).

Classes and tags: confident learning (Northcutt, Jiang and Chuang 2021, "Confident learning: estimating uncertainty
in dataset labels", JAIR 70). A sample is confidently of a class if its probability reaches the mean probability of
that class among the samples with that label. The counts of labels against confident classes, as rates of the labels,
are the confident joint; its off-diagonal part estimates how many labels are wrong. Suspects are ranked by the
normalised margin: the probability of the label minus that of the best other class. Compared by hand with cleanlab 2.9:
the same scores, suspects ("confident_learning") and estimates ("off_diagonal_calibrated"). cleanlab itself would bring
pandas, and is AGPL-3.

Numbers: the largest residuals, in units of a robust deviation (the median absolute deviation).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from finetune.data.targets import Targets
from finetune.data.task import Task
from finetune.doctor.class_checks import find_confusable_classes
from finetune.doctor.cross_validation import assign_folds, predict_out_of_fold
from finetune.doctor.findings import ConfusablePair, LabelErrors, SuspectLabel
from finetune.features.memmap_rows import take_rows
from finetune.head.temperature import fit_temperature
from graft.errors import DatasetError
from graft.types import Float32Array, IndexArray

MAX_CALIBRATION_CELLS: Final = 1_000_000  # samples times tags that the temperature is fitted to
MIN_OUTLIER_DEVIATIONS: Final = 5.0  # robust deviations from which on a number is suspect
MAX_PREDICTION_CELLS: Final = 50_000_000  # samples times classes that cross-validation may hold in memory
MIN_SAMPLES_PER_CLASS: Final = 3  # different contents without which the labels of a class are not checked


def calibrate_probabilities(predictions: Float32Array, y: IndexArray) -> Float32Array:
    """Return the softmax of predictions [n,k], float32 [n,k], at the temperature that fits the classes `y` int [n]."""
    logits = predictions.astype(np.float64)
    temperature, _ = fit_temperature(logits, y)
    logits -= logits.max(1, keepdims=True)
    odds = np.exp(logits / temperature)
    odds /= odds.sum(1, keepdims=True)
    return np.asarray(odds, np.float32)


def confident_classes(probabilities: Float32Array, y: IndexArray) -> IndexArray:
    """Return each sample's confident class, int [n], -1 for none; `probabilities` float32 [n,k], labels `y` int [n]."""
    n, k = probabilities.shape
    # A class without any label is never confident.
    sums = np.bincount(y, probabilities[np.arange(n), y], k)
    thresholds = np.divide(sums, np.bincount(y, minlength=k), out=np.full(k, np.inf), where=sums > 0)
    reached = np.where(probabilities >= thresholds, probabilities, -1)
    return np.where(reached.max(1) >= 0, reached.argmax(1), -1)


def estimate_label_errors(confident: IndexArray, y: IndexArray, k: int) -> int:
    """Return how many of the labels `y` int [n] are wrong, estimated by the `confident` classes int [n] of 0..k-1."""
    joint = np.zeros((k, k))
    np.add.at(joint, (y[confident >= 0], confident[confident >= 0]), 1)
    label_counts = np.bincount(y, minlength=k)
    row_sums = joint.sum(1)
    error_rates = np.divide(row_sums - joint.diagonal(), row_sums, out=np.zeros(k), where=row_sums > 0)
    return round(float(error_rates @ label_counts))


def find_class_errors(
    probabilities: Float32Array, y: IndexArray, labels: Sequence[str], rows: IndexArray
) -> LabelErrors:
    """Return the label errors of classes.

    Args:
        probabilities: out-of-fold, float32 [n,k].
        y: the labels, int [n].
        labels: the names of the k classes.
        rows: the row of each sample in the findings, int [n].
    """
    n, k = probabilities.shape
    label_probability = probabilities[np.arange(n), y]
    rest = probabilities.copy()
    rest[np.arange(n), y] = -1
    best, other = rest.argmax(1), rest.max(1)
    margin = label_probability - other
    confident = confident_classes(probabilities, y)
    wrong = (confident >= 0) & (confident != y) & (margin < 0)
    order = np.argsort(margin, kind="stable")
    suspects = tuple(
        SuspectLabel(
            int(rows[at]),
            labels[y[at]],
            labels[best[at]],
            float(label_probability[at]),
            float(other[at]),
            float(margin[at]),
        )
        for at in order[wrong[order]].tolist()
    )
    return LabelErrors(suspects, tuple(rows[order].tolist()), estimate_label_errors(confident, y, k))


def find_tag_errors(predictions: Float32Array, y: NDArray[np.bool_], labels: Sequence[str]) -> LabelErrors:
    """Return the label errors of tags `y` bool [n,k]; each tag is a problem of two classes.

    `predictions` float32 [n,k] are out-of-fold.
    """
    suspects: list[SuspectLabel] = []
    total, rows = 0, np.arange(len(y))
    worst = np.ones(len(y), np.float32)  # probability of the sample's least likely tag
    some = slice(None, None, 1 + y.size // MAX_CALIBRATION_CELLS)
    logits = predictions[some].ravel().astype(np.float64)
    # One temperature for all tags: with one for each, the ranking would follow the confidence of the tags.
    temperature, _ = fit_temperature(np.stack([1 - logits, logits], 1), y[some].ravel().astype(np.intp))
    for tag, name in enumerate(labels):
        has = y[:, tag].astype(np.intp)
        odds = np.exp(np.clip((1 - 2 * predictions[:, tag]) / temperature, -80, 80))
        p = np.stack([odds / (1 + odds), 1 / (1 + odds)], 1)
        one = find_class_errors(p, has, (f"not {name}", name), rows)
        suspects += one.suspects
        total += one.estimated_count or 0
        worst = np.minimum(worst, p[rows, has])
    order = np.argsort(worst, kind="stable")
    return LabelErrors(tuple(sorted(suspects, key=lambda one: one.score)), tuple(order.tolist()), total)


def find_number_outliers(predictions: Float32Array, y: NDArray[np.float64]) -> LabelErrors:
    """Return the outliers among numbers `y` float64 [n] with out-of-fold `predictions` float32 [n,1]."""
    residuals = y - predictions[:, 0]
    centre = np.median(residuals)
    unit = 1.4826 * float(np.median(np.abs(residuals - centre))) or float(np.std(residuals)) or 1.0
    deviations = np.abs(residuals - centre) / unit
    order = np.argsort(-deviations, kind="stable")
    suspects = tuple(
        SuspectLabel(at, f"{y[at]:.4g}", f"{predictions[at, 0]:.4g}", float(residuals[at]), 0.0, -float(deviations[at]))
        for at in order.tolist()
        if deviations[at] >= MIN_OUTLIER_DEVIATIONS
    )
    return LabelErrors(suspects, tuple(order.tolist()), None)


@dataclass(frozen=True, slots=True)
class LabelFindings:
    """The findings about labels."""

    label_errors: LabelErrors | None = None
    confusable_classes: tuple[ConfusablePair, ...] = ()
    skipped_checks: tuple[str, ...] = ()


def examine_labels(task: Task, x: Float32Array, targets: Targets, contents: Sequence[bytes]) -> LabelFindings:
    """Check the labels of the samples with features `x` float32 [n,d]; `contents` [n] as for `assign_folds`.

    Raises:
        DatasetError: no head can be fitted to them.
    """
    examiners: dict[Task, Callable[[Float32Array, Targets, Sequence[bytes]], LabelFindings]] = {
        Task.CLASSIFY: _examine_classes,
        Task.TAG: _examine_tags,
        Task.REGRESS: _examine_numbers,
    }
    if len(x) * len(targets.labels) > MAX_PREDICTION_CELLS:
        raise DatasetError(f"{len(x):,} samples times {len(targets.labels):,} labels are too many to cross-validate.")
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
    p = calibrate_probabilities(
        predict_out_of_fold(take_rows(x, kept_rows) if few else x, np.eye(len(learnable), dtype=np.float32)[y], fold), y
    )
    omitted = (
        (f"the labels {_quote_names(few)}: fewer than {MIN_SAMPLES_PER_CLASS} different samples each",) if few else ()
    )
    return LabelFindings(
        find_class_errors(p, y, learnable, kept_rows), find_confusable_classes(p, y, learnable), omitted
    )


def _examine_tags(x: Float32Array, targets: Targets, contents: Sequence[bytes]) -> LabelFindings:
    predictions = predict_out_of_fold(x, targets.y, assign_folds(targets.strata, contents))
    return LabelFindings(find_tag_errors(predictions, targets.y, targets.labels), skipped_checks=targets.notes)


def _examine_numbers(x: Float32Array, targets: Targets, contents: Sequence[bytes]) -> LabelFindings:
    return LabelFindings(
        find_number_outliers(
            predict_out_of_fold(x, targets.y[:, None], assign_folds(targets.strata, contents)), targets.y
        )
    )


def _quote_names(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:8])) + (", …" if len(names) > 8 else "")
