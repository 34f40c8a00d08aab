"""Calibration of a classifier: reliability curve, expected calibration error (ECE), risk-coverage curve.

Shapes: n samples, k classes. Confidence is the probability of the predicted class.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from graft.types import BoolArray, Float32Array, FloatArray, IndexArray

RELIABILITY_BINS: Final = 15  # of equal width, as in Guo et al. 2017
RISK_LIMITS: Final = {"coverage_at_1": 0.01, "coverage_at_5": 0.05}  # the risk that each coverage stays under
MAX_CURVE_POINTS: Final = 100  # of the risk-coverage curve


def reliability_curve(scores: Float32Array, y: IndexArray) -> list[dict[str, Any]]:
    """Return count, mean confidence and accuracy of each bin of confidence that is not empty.

    `scores` float32 [n,k], each row a distribution; `y` int [n] is the truth. Bins include their upper edge.
    """
    confidence = scores.max(1).astype(np.float64)
    is_correct = scores.argmax(1) == y
    bins = np.clip(np.ceil(confidence * RELIABILITY_BINS).astype(int) - 1, 0, RELIABILITY_BINS - 1)
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


def expected_calibration_error(curve: Sequence[dict[str, Any]]) -> float:
    """Return the ECE: the mean distance of accuracy and confidence over the samples of a `reliability_curve`.

    >>> scores = np.array([[0.9, 0.1]] * 10, np.float32)
    >>> round(expected_calibration_error(reliability_curve(scores, np.array([0] * 7 + [1] * 3))), 3)  # 70 % are right
    0.2
    """
    count = sum(b["count"] for b in curve)
    return float(sum(b["count"] * abs(b["accuracy"] - b["confidence"]) for b in curve) / count)


def risk_coverage(confidence: FloatArray, wrong: BoolArray) -> dict[str, Any]:
    """Return the risk-coverage curve, the area under it (AURC), and the coverages at a risk under 1 % and 5 %.

    It tells what a classifier would get wrong if it answered only where it is most confident (Geifman & El-Yaniv 2017).
    Coverage is the share of the samples that are answered, risk the share of those that are answered wrongly.

    Samples of the same confidence count together, since no threshold separates them: a part of them is as often wrong
    as all of them. The area is the mean risk over the coverages 1/n, 2/n, …, 1. A coverage is 0 where no threshold
    keeps the risk under the limit.

    Args:
        confidence: the confidence of each sample, float [n].
        wrong: whether its predicted class is wrong, bool [n].
    """
    order = np.argsort(-confidence, kind="stable")
    ranked, errors = confidence[order], np.cumsum(wrong[order])
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))  # the last of each run of equal confidence
    n = len(ranked)
    counts = np.arange(1, n + 1)
    risks = np.interp(counts, np.append(0, ends + 1), np.append(0, errors[ends])) / counts
    coverage, risk = (ends + 1) / n, risks[ends]
    curve_rows = np.unique(np.linspace(0, len(ends) - 1, min(len(ends), MAX_CURVE_POINTS)).round().astype(int))
    return {
        "aurc": float(risks.mean()),
        **{name: float(coverage[risk < limit].max(initial=0.0)) for name, limit in RISK_LIMITS.items()},
        "curve": [
            {"coverage": float(coverage[at]), "risk": float(risk[at]), "confidence": float(ranked[ends[at]])}
            for at in curve_rows.tolist()
        ],
    }
