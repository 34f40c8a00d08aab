"""The likeliest label errors, by answers from heads that have not seen the sample.

Classes and tags: confident learning (Northcutt, Jiang and Chuang 2021, "Confident learning: estimating uncertainty
in dataset labels", JAIR 70). A sample is confidently of a class if its probability reaches the mean probability of
that class among the samples that bear its name. Counting labels against confident classes, as rates of the labels,
gives the confident joint; what lies off its diagonal estimates how many labels are wrong. Ranked by the normalised
margin: the probability of the label less that of the best other class. Compared by hand with cleanlab 2.9: the same
scores, suspects ("confident_learning") and estimates ("off_diagonal_calibrated"); it would bring pandas for this.

Numbers: the largest residuals, in units of a robust deviation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from finetune.doctor.findings import LabelErrors, SuspectLabel
from finetune.heads.temperature import fit_temperature

Float32Array = NDArray[np.float32]
IndexArray = NDArray[np.intp]

MAX_CALIBRATION_CELLS: Final = 1_000_000  # samples times tags that a temperature is fitted to
MIN_OUTLIER_DEVIATIONS: Final = 5.0  # robust deviations from which on a number is suspect


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


def find_class_errors(probabilities: Float32Array, y: IndexArray, labels: Sequence[str], rows: IndexArray) -> LabelErrors:
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
