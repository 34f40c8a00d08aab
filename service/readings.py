"""Scores -> answers, in the process that has the model: the server, or `predict` without one."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import nlargest

import numpy as np
from numpy.typing import NDArray

from service.calls import Answer, Candidate, Prediction, Tags, Value
from zoo.golden import Floats
from zoo.manifest import UNKNOWN, Manifest


def read(manifest: Manifest, scores: Floats, top: int) -> list[Answer]:
    """Read what a head says, finite float32 [n,k] or with the novelty [n,k+1]: the `top` best labels, best first."""
    if manifest.task == "regress":
        return [Value(value) for value in scores[:, 0].tolist()]
    if manifest.task == "tag":
        thresholds = np.array(manifest.head["thresholds"], np.float32)
        return [_tags(manifest.labels, row, row >= thresholds, top) for row in scores]
    if novelty := manifest.head.get("novelty"):
        return [_judged(manifest.labels, row.tolist(), novelty["threshold"], top) for row in scores]
    return [_prediction(manifest.labels, row.tolist(), top) for row in scores]


def _judged(labels: Sequence[str], row: list[float], threshold: float, top: int) -> Prediction:
    """Read scores with the novelty behind them."""
    said, novelty = _prediction(labels, row[:-1], top), row[-1]
    return Prediction(
        said.label if novelty <= threshold else UNKNOWN, said.probability, said.top, novelty, float(threshold)
    )


def _prediction(labels: Sequence[str], row: list[float], top: int) -> Prediction:
    best = _named(labels, row, nlargest(top, range(len(row)), row.__getitem__))
    return Prediction(best[0].label, best[0].probability, best)


def _tags(labels: Sequence[str], row: Floats, has: NDArray[np.bool_], top: int) -> Tags:
    order = nlargest(len(row), range(len(row)), row.__getitem__)
    return Tags(
        _named(labels, row.tolist(), [at for at in order if has[at]]), _named(labels, row.tolist(), order[:top])
    )


def _named(labels: Sequence[str], row: list[float], order: Sequence[int]) -> tuple[Candidate, ...]:
    # A softmax in float32 may end a hair above 1.
    return tuple(Candidate(labels[at], min(row[at], 1.0)) for at in order)
