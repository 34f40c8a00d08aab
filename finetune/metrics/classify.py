"""Of a classifier.

Shapes: n samples, k classes; y int [n]; scores float32 [n,k], each row a distribution.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from finetune.metrics.coverage import risk_coverage

Float32Array = NDArray[np.float32]
IndexArray = NDArray[np.intp]

RELIABILITY_BINS: Final = 15  # equal widths of confidence, as Guo et al. 2017


def classification_metrics(scores: Float32Array, y: IndexArray, labels: Sequence[str]) -> dict[str, Any]:
    """Return the metrics of `scores` against the truth `y`, ready for JSON.

    A class without a sample here has recall None and is left out of the balanced accuracy (the mean
    recall); the macro F1 runs over every class that is here or was answered.
    """
    confusion = confusion_matrix(y, scores.argmax(1), len(labels))
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
        "ece": float(sum(b["count"] * abs(b["accuracy"] - b["confidence"]) for b in curve) / len(y)),
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
        "risk_coverage": risk_coverage(scores.max(1), scores.argmax(1) != y),
    }


def unknown_metrics(scores: Float32Array, y: IndexArray, novelty: Float32Array, threshold: float) -> dict[str, Any]:
    """Return the share of samples that stay known, their `novelty` [n] not above the threshold, and how good these are.

    None is the accuracy of a part that is empty. Ready for JSON.
    """
    known, is_correct = novelty <= threshold, scores.argmax(1) == y
    return {
        "known": float(known.mean()),
        "accuracy_known": float(is_correct[known].mean()) if known.any() else None,
        "accuracy_unknown": float(is_correct[~known].mean()) if not known.all() else None,
    }


def confusion_matrix(y: IndexArray, predictions: IndexArray, class_count: int) -> NDArray[np.int64]:
    """Return int64 [k,k]: how often the class of the row was called the class of the column."""
    confusion = np.zeros((class_count, class_count), np.int64)
    np.add.at(confusion, (y, predictions), 1)
    return confusion


def reliability_curve(scores: Float32Array, y: IndexArray) -> list[dict[str, Any]]:
    """Return, for each bin of confidence that is not empty, its count, mean confidence and accuracy."""
    confidence = scores.max(1).astype(np.float64)
    is_correct = scores.argmax(1) == y
    bins = np.clip(np.ceil(confidence * RELIABILITY_BINS).astype(int) - 1, 0, RELIABILITY_BINS - 1)  # (lower, upper]
    return [
        {
            "upper": (number + 1) / RELIABILITY_BINS,
            "count": int(inside.sum()),
            "confidence": float(confidence[inside].mean()),
            "accuracy": float(is_correct[inside].mean()),
        }
        for number in range(RELIABILITY_BINS)
        if (inside := bins == number).any()
    ]
