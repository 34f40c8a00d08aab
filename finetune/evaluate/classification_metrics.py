"""Of a classifier.

Shapes: n samples, k classes; y int [n]; scores float32 [n,k], each row a distribution.

How good a head is on samples it never saw: plain numbers for the manifest and the report.

What a classifier would get wrong if it answered only where it is surest (Geifman & El-Yaniv 2017).

Coverage: the share of the samples that are answered. Risk: the share of those that are answered wrongly.
Shapes: n samples; confidence float [n], the probability of the answer; wrong bool [n].

Of a regression. Shapes: n samples; truth and said float [n], in the target's unit.

Of a tagger. Shapes: n samples, k tags; y bool [n,k]; scores float32 [n,k]; thresholds [k].
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from graft.types import BoolArray, Float32Array, Float64Array, FloatArray, IndexArray

RELIABILITY_BINS: Final = 15  # equal widths of confidence, as Guo et al. 2017


__all__ = [
    "classification_metrics",
    "confusion_matrix",
    "regression_metrics",
    "reliability_curve",
    "risk_coverage",
    "tagging_metrics",
    "unknown_metrics",
]


RISK_LIMITS: Final = {"coverage_at_1": 0.01, "coverage_at_5": 0.05}  # what each figure keeps the risk under


MAX_CURVE_POINTS: Final = 100  # of the curve, at most


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


def risk_coverage(confidence: FloatArray, wrong: BoolArray) -> dict[str, Any]:
    """Return the risk-coverage curve, the area under it, and the largest coverages at a risk under 1 % and 5 %.

    Samples of the same confidence come together, for nothing tells them apart: a part of them is wrong as often as all
    of them. The area is the mean risk over all coverages 1/n .. 1. A coverage is 0 where no threshold keeps the risk.
    """
    order = np.argsort(-confidence, kind="stable")
    ranked, missed = confidence[order], np.cumsum(wrong[order])
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))  # the last of each run of equal confidence
    n = len(ranked)
    counts = np.arange(1, n + 1)
    risks = np.interp(counts, np.append(0, ends + 1), np.append(0, missed[ends])) / counts
    coverage, risk = (ends + 1) / n, risks[ends]
    shown = np.unique(np.linspace(0, len(ends) - 1, min(len(ends), MAX_CURVE_POINTS)).round().astype(int))
    return {
        "aurc": float(risks.mean()),
        **{name: float(coverage[risk < most].max(initial=0.0)) for name, most in RISK_LIMITS.items()},
        "curve": [
            {"coverage": float(coverage[at]), "risk": float(risk[at]), "confidence": float(ranked[ends[at]])}
            for at in shown.tolist()
        ],
    }


def regression_metrics(predictions: Float64Array, truth: Float64Array) -> dict[str, Any]:
    """Return the metrics of what was `predictions` against the `truth`, ready for JSON.

    R² is None where all of the truth is one number: then there is no spread that could be explained.
    """
    errors = np.asarray(predictions, np.float64) - truth
    spread = float(((truth - truth.mean()) ** 2).sum())
    return {
        "samples": len(truth),
        "r2": 1 - float((errors**2).sum()) / spread if spread else None,
        "mae": float(np.abs(errors).mean()),
        "rmse": float(np.sqrt((errors**2).mean())),
        "bias": float(errors.mean()),
    }


def tagging_metrics(
    scores: Float32Array, y: BoolArray, labels: Sequence[str], thresholds: Sequence[float]
) -> dict[str, Any]:
    """Return the metrics of `scores` against the truth `y`, ready for JSON.

    A tag that no sample has and none was given counts nowhere in the macro F1; one without a sample has no
    average precision. The mean average precision runs over the tags that have one.
    """
    predictions = scores >= np.asarray(thresholds, np.float32)
    hits, support, predicted_count = (predictions & y).sum(0), y.sum(0), predictions.sum(0)
    nothing = support + predicted_count == 0
    f1 = np.divide(2 * hits, support + predicted_count, out=np.full(len(labels), np.nan), where=~nothing)
    ap = [average_precision(scores[:, tag], y[:, tag]) for tag in range(len(labels))]
    known = [one for one in ap if one is not None]
    return {
        "samples": len(y),
        "micro_f1": float(2 * hits.sum() / max(1, support.sum() + predicted_count.sum())),
        "macro_f1": float(np.nanmean(f1)) if not nothing.all() else 0.0,
        "subset_accuracy": float((predictions == y).all(1).mean()),
        "mean_average_precision": float(np.mean(known)) if known else None,
        "per_class": {
            label: {
                "precision": float(hits[tag] / predicted_count[tag]) if predicted_count[tag] else 0.0,
                "recall": float(hits[tag] / support[tag]) if support[tag] else None,
                "f1": None if nothing[tag] else float(f1[tag]),
                "average_precision": ap[tag],
                "threshold": float(thresholds[tag]),
                "support": int(support[tag]),
            }
            for tag, label in enumerate(labels)
        },
    }


def average_precision(scores: Float32Array, y: BoolArray) -> float | None:
    """Return the mean precision at each hit, best score first; equal scores count together. None without a hit."""
    if not y.any():
        return None
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], np.cumsum(y[order])
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))  # the last of each run of equal scores
    precision = hits[ends] / (ends + 1)
    return float((precision * np.diff(hits[ends], prepend=0)).sum() / y.sum())
