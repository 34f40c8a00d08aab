"""Scores -> answers, in the process that has the model."""

from __future__ import annotations

import numpy as np

from service.calls import Answer, Candidate, Prediction, Tags, Value
from zoo.errors import BundleBroken
from zoo.golden import Floats
from zoo.manifest import Manifest


def read(manifest: Manifest, scores: Floats, top: int) -> list[Answer]:
    """Read scores, float32 [n,k], as the server does: the `top` most probable labels, best first.

    Raises:
        BundleBroken: they are not finite.
    """
    if not np.isfinite(scores).all():
        raise BundleBroken(f"{manifest.name} answers with numbers that are not finite. Train it again.")
    if manifest.task == "regress":
        return [Value(float(row[0])) for row in scores]
    return [_row(manifest, row, top) for row in scores]


def _row(manifest: Manifest, row: Floats, top: int) -> Prediction | Tags:
    order = np.argsort(-row, kind="stable")
    if manifest.task == "tag":
        # As numpy compares on the server: both sides in float32.
        has = row >= np.array(manifest.head["thresholds"], np.float32)
        return Tags(_named(manifest, row, order[has[order]]), _named(manifest, row, order[:top]))
    best = _named(manifest, row, order[:top])
    return Prediction(best[0].label, best[0].probability, best)


def _named(manifest: Manifest, row: Floats, order: np.ndarray[tuple[int], np.dtype[np.intp]]) -> tuple[Candidate, ...]:
    # A softmax in float32 may end a hair above 1.
    return tuple(Candidate(manifest.labels[at], min(float(row[at]), 1.0)) for at in order)
