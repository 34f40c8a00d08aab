"""Of a tagger. Shapes: n samples, k tags; y bool [n,k]; scores float32 [n,k]; thresholds [k]."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float32Array = NDArray[np.float32]
BoolArray = NDArray[np.bool_]


def tagging_metrics(scores: Float32Array, y: BoolArray, labels: Sequence[str], thresholds: Sequence[float]) -> dict[str, Any]:
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
