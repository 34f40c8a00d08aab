"""The likeliest label errors, by answers from heads that have not seen the sample.

Classes and tags: confident learning (Northcutt, Jiang and Chuang 2021, "Confident learning: estimating uncertainty
in dataset labels", JAIR 70). A sample is confidently of a class if its probability reaches the mean probability of
that class among the samples that bear its name. Counting labels against confident classes, as rates of the labels,
gives the confident joint; what lies off its diagonal estimates how many labels are wrong. Ranked by the normalised
margin: the probability of the label less that of the best other class. Compared by hand with cleanlab 2.9: the same
scores, suspects ("confident_learning") and estimates ("off_diagonal_calibrated"); it would bring pandas for this.

Numbers: the largest residuals, in units of a robust deviation.

What answers from heads that have not seen the samples say of their labels, for each task.
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

MAX_CALIBRATION_CELLS: Final = 1_000_000  # samples times tags that a temperature is fitted to


MIN_OUTLIER_DEVIATIONS: Final = 5.0  # robust deviations from which on a number is suspect


MAX_PREDICTION_CELLS: Final = 50_000_000  # numbers that cross-validation may hold: samples times classes


MIN_SAMPLES_PER_CLASS: Final = 3  # contents of a class without which nothing is said of its labels


def calibrate_probabilities(predictions: Float32Array, y: IndexArray) -> Float32Array:
    """Return answers [n,k] as probabilities, at the temperature that suits the labels `y` [n] best."""
    logits = predictions.astype(np.float64)
    temperature, _ = fit_temperature(logits, y)
    logits -= logits.max(1, keepdims=True)
    odds = np.exp(logits / temperature)
    odds /= odds.sum(1, keepdims=True)
    return np.asarray(odds, np.float32)


def confident_classes(probabilities: Float32Array, y: IndexArray) -> IndexArray:
    """Return the class that each sample confidently is of, -1 where it is of none; `probabilities` float32 [n,k], `y` [n]."""
    n, k = probabilities.shape
    # A class that no label names is never confident.
    sums = np.bincount(y, probabilities[np.arange(n), y], k)
    thresholds = np.divide(sums, np.bincount(y, minlength=k), out=np.full(k, np.inf), where=sums > 0)
    reached = np.where(probabilities >= thresholds, probabilities, -1)
    return np.where(reached.max(1) >= 0, reached.argmax(1), -1)


def estimate_label_errors(confident: IndexArray, y: IndexArray, k: int) -> int:
    """Return how many of the labels `y` [n] are wrong, by the confident classes `confident` [n] of k."""
    joint = np.zeros((k, k))
    np.add.at(joint, (y[confident >= 0], confident[confident >= 0]), 1)
    named = np.bincount(y, minlength=k)
    seen = joint.sum(1)
    wrong = np.divide(seen - joint.diagonal(), seen, out=np.zeros(k), where=seen > 0)  # share of each label
    return round(float(wrong @ named))


def find_class_errors(
    probabilities: Float32Array, y: IndexArray, labels: Sequence[str], rows: IndexArray
) -> LabelErrors:
    """Return the suspects among samples with probabilities `probabilities` [n,k] and labels `y` [n]; `rows` [n] names them."""
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
    """Return the suspects among samples with tags `y` bool [n,k] and answers [n,k]; each tag is looked at alone."""
    suspects: list[SuspectLabel] = []
    total, rows = 0, np.arange(len(y))
    least = np.ones(len(y), np.float32)  # probability of the label that fits least
    some = slice(None, None, 1 + y.size // MAX_CALIBRATION_CELLS)
    logits = predictions[some].ravel().astype(np.float64)
    # One temperature for all tags: with one each, the ranking would be about how sure tags are.
    temperature, _ = fit_temperature(np.stack([1 - logits, logits], 1), y[some].ravel().astype(np.intp))
    for tag, name in enumerate(labels):
        has = y[:, tag].astype(np.intp)
        odd = np.exp(np.clip((1 - 2 * predictions[:, tag]) / temperature, -80, 80))
        p = np.stack([odd / (1 + odd), 1 / (1 + odd)], 1)
        one = find_class_errors(p, has, (f"not {name}", name), rows)
        suspects += one.suspects
        total += one.estimated_count or 0
        least = np.minimum(least, p[rows, has])
    order = np.argsort(least, kind="stable")
    return LabelErrors(tuple(sorted(suspects, key=lambda one: one.score)), tuple(order.tolist()), total)


def find_number_outliers(predictions: Float32Array, y: NDArray[np.float64]) -> LabelErrors:
    """Return the suspects among samples with numbers `y` [n] and answers [n,1]."""
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
    answers = predict_out_of_fold(x, targets.y, assign_folds(targets.strata, contents))
    return LabelFindings(find_tag_errors(answers, targets.y, targets.labels), skipped_checks=targets.notes)


def _examine_numbers(x: Float32Array, targets: Targets, contents: Sequence[bytes]) -> LabelFindings:
    return LabelFindings(
        find_number_outliers(
            predict_out_of_fold(x, targets.y[:, None], assign_folds(targets.strata, contents)), targets.y
        )
    )


def _quote_names(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:8])) + (", …" if len(names) > 8 else "")
