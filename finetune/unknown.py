"""A head that can answer "unknown"."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune.dataset import SplitPart
from finetune.heads import Head
from finetune.heads.rejection import MAX_FIT_SAMPLES, LabeledFeatures, fit_novelty, stratified_subsample
from finetune.rows import take_rows
from finetune.split import Split
from zoo.progress import Progress

Float32Array = NDArray[np.float32]
IndexArray = NDArray[np.intp]


def with_novelty(
    head: Head[Any], x: Float32Array, y: IndexArray, split: Split, labels: Sequence[str], known_share: float, progress: Progress
) -> Head[Any]:
    """Return a head of classes with a novelty that lets the `known_share` of the validation part be known; and say so.

    `x` [n,d] and `y` [n] are features and classes of all samples, split into `split`.

    Raises:
        DatasetError: every feature is constant.
    """
    train, val = split.rows(SplitPart.TRAIN), split.rows(SplitPart.VAL)
    some = train[stratified_subsample(y[train], MAX_FIT_SAMPLES)]
    fit_samples, validation = (
        LabeledFeatures(x[some], y[some], len(train)),
        LabeledFeatures(take_rows(x, val), y[val], len(val)),
    )
    novelty = fit_novelty(fit_samples, validation, head.choice, tuple(labels), known_share)
    progress.log(
        f"novelty by {novelty.score.kind}{_describe_auroc(novelty.auroc, len(novelty.held_out_classes))}; "
        f"{novelty.known_share:.1%} of the {len(val):,} validation samples stay known"
    )
    return dataclasses.replace(head, novelty=novelty)


def _describe_auroc(auroc: dict[str, float | None], classes: int) -> str:
    """Say how the scores did; with two classes none can be held out."""
    areas = ", ".join(f"{kind} {area:.3f}" for kind, area in auroc.items() if area is not None)
    if not areas:
        return " (untried: no class could be held out)"
    return f" (mean AUROC over {classes} held-out classes: {areas})"
