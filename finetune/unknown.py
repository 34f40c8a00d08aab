"""A head that can answer "unknown"."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune.dataset import Part
from finetune.heads import Head
from finetune.heads.rejection import MOST, Seen, fit_novelty, spread
from finetune.rows import take
from finetune.split import Split
from zoo.progress import Progress

Floats = NDArray[np.float32]
Labels = NDArray[np.intp]


def rejecting(
    head: Head[Any], x: Floats, y: Labels, parts: Split, labels: Sequence[str], share: float, progress: Progress
) -> Head[Any]:
    """Return a head of classes with a novelty that lets the `share` of the validation part be known; and say so.

    `x` [n,d] and `y` [n] are features and classes of all samples, split into `parts`.

    Raises:
        DatasetError: every feature is constant.
    """
    train, val = parts.rows(Part.TRAIN), parts.rows(Part.VAL)
    some = train[spread(y[train], MOST)]
    seen, fresh = Seen(x[some], y[some], len(train)), Seen(take(x, val), y[val], len(val))
    novelty = fit_novelty(seen, fresh, head.choice, tuple(labels), share)
    progress.say(
        f"novelty by {novelty.score.kind}{_compared(novelty.auroc, len(novelty.held_out))}; "
        f"{novelty.known:.1%} of the {len(val):,} validation samples stay known"
    )
    return dataclasses.replace(head, novelty=novelty)


def _compared(auroc: dict[str, float | None], classes: int) -> str:
    """Say how the scores did; with two classes none can be held out."""
    told = ", ".join(f"{kind} {area:.3f}" for kind, area in auroc.items() if area is not None)
    if not told:
        return " (untried: no class could be held out)"
    return f" (mean AUROC over {classes} held-out classes: {told})"
