"""What a classifier would get wrong if it answered only where it is surest (Geifman & El-Yaniv 2017).

Coverage: the share of the samples that are answered. Risk: the share of those that are answered wrongly.
Shapes: n samples; confidence float [n], the probability of the answer; wrong bool [n].
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating[Any]]
BoolArray = NDArray[np.bool_]

RISK_LIMITS: Final = {"coverage_at_1": 0.01, "coverage_at_5": 0.05}  # what each figure keeps the risk under
MAX_CURVE_POINTS: Final = 100  # of the curve, at most


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
