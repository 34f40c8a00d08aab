"""Of a classifier.

Shapes: n samples, k classes; y int [n]; scores float32 [n,k], each row a distribution.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from finetune.metrics.coverage import risk_coverage

Floats = NDArray[np.float32]
Labels = NDArray[np.intp]

BINS: Final = 15  # equal widths of confidence, as Guo et al. 2017


def measure(scores: Floats, y: Labels, labels: Sequence[str]) -> dict[str, Any]:
    """Return the metrics of `scores` against the truth `y`, ready for JSON.

    A class without a sample here has recall None and is left out of the balanced accuracy (the mean
    recall); the macro F1 runs over every class that is here or was answered.
    """
    confusion = confusion_matrix(y, scores.argmax(1), len(labels))
    hits, support, answered = confusion.diagonal(), confusion.sum(1), confusion.sum(0)
    recall = np.divide(hits, support, out=np.full(len(labels), np.nan), where=support > 0)
    precision = np.divide(hits, answered, out=np.zeros(len(labels)), where=answered > 0)
    f1 = np.divide(2 * hits, support + answered, out=np.full(len(labels), np.nan), where=support + answered > 0)
    curve = reliability(scores, y)
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


def measure_known(scores: Floats, y: Labels, novelty: Floats, threshold: float) -> dict[str, Any]:
    """Return the share of samples that stay known, their `novelty` [n] not above the threshold, and how good these are.

    None is the accuracy of a part that is empty. Ready for JSON.
    """
    known, right = novelty <= threshold, scores.argmax(1) == y
    return {
        "known": float(known.mean()),
        "accuracy_known": float(right[known].mean()) if known.any() else None,
        "accuracy_unknown": float(right[~known].mean()) if not known.all() else None,
    }


def confusion_matrix(y: Labels, answers: Labels, classes: int) -> NDArray[np.int64]:
    """Return int64 [k,k]: how often the class of the row was called the class of the column."""
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (y, answers), 1)
    return confusion


def reliability(scores: Floats, y: Labels) -> list[dict[str, Any]]:
    """Return, for each bin of confidence that is not empty, its count, mean confidence and accuracy."""
    confidence = scores.max(1).astype(np.float64)
    right = scores.argmax(1) == y
    bins = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)  # (lower, upper]
    return [
        {
            "upper": (number + 1) / BINS,
            "count": int(inside.sum()),
            "confidence": float(confidence[inside].mean()),
            "accuracy": float(right[inside].mean()),
        }
        for number in range(BINS)
        if (inside := bins == number).any()
    ]
