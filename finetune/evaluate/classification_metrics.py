"""Metrics of classes and tags: accuracy, F1, confusion matrix, average precision. Plain numbers, ready for JSON.

Shapes: n samples, k classes or tags; scores float32 [n,k]. Calibration has a module of its own
(`finetune.evaluate.calibration_metrics`); the metrics of numbers are in `finetune.evaluate.evaluate_test_set`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from finetune.evaluate.calibration_metrics import expected_calibration_error, reliability_curve, risk_coverage
from graft.types import BoolArray, Float32Array, IndexArray

Z_95: Final = 1.96  # quantile of the normal distribution for a 95 % interval


def classification_metrics(scores: Float32Array, y: IndexArray, labels: Sequence[str]) -> dict[str, Any]:
    """Return the metrics of `scores` [n,k], each row a distribution, against the truth `y` int [n].

    A class without a sample has recall None and is left out of the balanced accuracy (the mean recall); the macro F1 is
    the mean over the classes that have a sample or were predicted.
    """
    predictions = scores.argmax(1)
    confusion = confusion_matrix(y, predictions, len(labels))
    hits, support, predicted_count = confusion.diagonal(), confusion.sum(1), confusion.sum(0)
    recall = np.divide(hits, support, out=np.full(len(labels), np.nan), where=support > 0)
    precision = np.divide(hits, predicted_count, out=np.zeros(len(labels)), where=predicted_count > 0)
    f1 = np.divide(
        2 * hits, support + predicted_count, out=np.full(len(labels), np.nan), where=support + predicted_count > 0
    )
    curve = reliability_curve(scores, y)
    return {
        "samples": len(y),
        "accuracy": float(hits.sum() / len(y)),
        "balanced_accuracy": float(np.nanmean(recall)),
        "macro_f1": float(np.nanmean(f1)),
        "ece": expected_calibration_error(curve),
        "log_loss": float(-np.log(np.maximum(scores[np.arange(len(y)), y], np.finfo(np.float32).tiny)).mean()),
        "per_class": {
            label: {
                "precision": float(precision[row]),
                "recall": None if np.isnan(recall[row]) else float(recall[row]),
                "f1": None if np.isnan(f1[row]) else float(f1[row]),
                "support": int(support[row]),
            }
            for row, label in enumerate(labels)
        },
        "confusion": confusion.tolist(),
        "reliability": curve,
        "risk_coverage": risk_coverage(scores.max(1), predictions != y),
    }


def confusion_matrix(y: IndexArray, predictions: IndexArray, class_count: int) -> NDArray[np.int64]:
    """Return int64 [k,k]: how often samples of the row's class were predicted as the column's class.

    >>> confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist()
    [[1, 1], [0, 1]]
    """
    confusion = np.zeros((class_count, class_count), np.int64)
    np.add.at(confusion, (y, predictions), 1)
    return confusion


def unknown_metrics(scores: Float32Array, y: IndexArray, novelty: Float32Array, threshold: float) -> dict[str, Any]:
    """Return the share of samples that stay known, and the accuracy of the known and of the unknown ones.

    Known are samples whose `novelty` float32 [n] is not above the threshold. An accuracy is None without a sample.
    """
    known, is_correct = novelty <= threshold, scores.argmax(1) == y
    return {
        "known": float(known.mean()),
        "accuracy_known": float(is_correct[known].mean()) if known.any() else None,
        "accuracy_unknown": float(is_correct[~known].mean()) if not known.all() else None,
    }


def tagging_metrics(
    scores: Float32Array, y: BoolArray, labels: Sequence[str], thresholds: Sequence[float]
) -> dict[str, Any]:
    """Return the metrics of `scores` [n,k] against the tags `y` bool [n,k]; `thresholds` [k] are those of the tags.

    A tag that no sample has and that was never predicted is left out of the macro F1. A tag without a sample has no
    average precision; the mean average precision runs over the tags that have one.
    """
    predictions = scores >= np.asarray(thresholds, np.float32)
    hits, support, predicted_count = (predictions & y).sum(0), y.sum(0), predictions.sum(0)
    nothing = support + predicted_count == 0
    f1 = np.divide(2 * hits, support + predicted_count, out=np.full(len(labels), np.nan), where=~nothing)
    precisions = [average_precision(scores[:, tag], y[:, tag]) for tag in range(len(labels))]
    defined = [one for one in precisions if one is not None]
    return {
        "samples": len(y),
        "micro_f1": float(2 * hits.sum() / max(1, support.sum() + predicted_count.sum())),
        "macro_f1": float(np.nanmean(f1)) if not nothing.all() else 0.0,
        "subset_accuracy": float((predictions == y).all(1).mean()),
        "mean_average_precision": float(np.mean(defined)) if defined else None,
        "per_class": {
            label: {
                "precision": float(hits[tag] / predicted_count[tag]) if predicted_count[tag] else 0.0,
                "recall": float(hits[tag] / support[tag]) if support[tag] else None,
                "f1": None if nothing[tag] else float(f1[tag]),
                "average_precision": precisions[tag],
                "threshold": float(thresholds[tag]),
                "support": int(support[tag]),
            }
            for tag, label in enumerate(labels)
        },
    }


def average_precision(scores: Float32Array, y: BoolArray) -> float | None:
    """Return the mean of the precision at each hit, best score first; None without a sample that has the tag.

    `scores` float32 [n] and `y` bool [n] are those of one tag; samples of equal scores count together.
    """
    if not y.any():
        return None
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], np.cumsum(y[order])
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))  # the last of each run of equal scores
    precision = hits[ends] / (ends + 1)
    return float((precision * np.diff(hits[ends], prepend=0)).sum() / y.sum())


def wilson_interval(share: float, n: int) -> tuple[float, float]:
    """Return the 95 % confidence interval (Wilson 1927) of a share, such as an accuracy, measured on `n` samples.

    >>> low, high = wilson_interval(0.5, 100)
    >>> f"{low:.3f} to {high:.3f}"
    '0.404 to 0.596'
    """
    z = Z_95
    middle = share + z * z / (2 * n)
    spread = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, (middle - spread) / (1 + z * z / n)), min(1.0, (middle + spread) / (1 + z * z / n))
