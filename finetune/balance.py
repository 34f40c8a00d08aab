"""Classes of very different sizes: whether samples of rare ones count more, decided on the validation part.

Judged by the macro F1: the mean over classes of a number that asks of each class both to be found and not to be
called in vain, whatever its size. The balanced log loss would not do: it is least under full weights whatever the
data (they are its own), and so decides nothing. Accuracy hears of large classes only. A heavier weighting must beat
the lighter one by WORTH, for on few samples of a rare class the score is noisy.

Probabilities lean towards rare classes where these are weighted; the one temperature, fitted on the validation part
as it is, mends how sure the answers are, not the lean.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from finetune.heads import Grid, Head, Rows, classify
from zoo.progress import Progress

Floats = NDArray[np.float32]
Labels = NDArray[np.intp]

UNEVEN: Final = 3.0  # largest class to smallest, in samples to train on, above which weights are tried
WORTH: Final = 0.01  # of macro F1, that a heavier weighting must bring


class Weighting(StrEnum):
    """How much a sample counts, by the frequency of its class; from the lightest to the heaviest."""

    NONE = "none"
    ROOT = "root of inverse frequency"
    INVERSE = "inverse frequency"


POWERS: Final = {Weighting.NONE: 0.0, Weighting.ROOT: 0.5, Weighting.INVERSE: 1.0}


@dataclass(frozen=True, slots=True)
class Balance:
    """How classes were weighted, and why."""

    by: Weighting
    weights: Floats  # [k], of a sample of each class; their mean over the train part is 1
    macro_f1: dict[Weighting, float] = field(default_factory=dict)  # on the validation part, of what was tried

    def facts(self) -> dict[str, Any]:
        """Return what the manifest says of it; ready for JSON."""
        return {"by": str(self.by), "val_macro_f1": {str(tried): score for tried, score in self.macro_f1.items()}}


def fit_balanced(
    rows: Rows,
    progress: Progress,
    *,
    start: Head[Any] | None = None,
    grid: Grid = classify.GRID,
) -> tuple[Head[classify.Choice], Balance]:
    """Fit a head to the classes of `rows`, which have no weights yet, with those that serve them best.

    Only the last fit, to both parts, begins from `start`, which may have seen the validation part.

    Raises:
        DatasetError: every feature is constant.
    """
    counts = np.bincount(rows.y)
    if counts.max() <= UNEVEN * counts.min():
        head = classify.refit(classify.choose(rows, grid), rows, start)
        return head, Balance(Weighting.NONE, np.ones(len(counts), np.float32))
    tried = {by: classify.choose(_weighed(rows, by), grid) for by in POWERS}
    scores = {by: choice.val_macro_f1 for by, choice in tried.items()}
    best = lightest(scores)
    progress.say(said(counts, best, scores))
    head = classify.refit(tried[best], _weighed(rows, best), start)
    return head, Balance(best, class_weights(best, counts), scores)


def class_weights(by: Weighting, counts: NDArray[np.integer[Any]]) -> Floats:
    """Return the weight of a sample of each class, float32 [k]; their mean over `counts` [k] samples is 1."""
    weights = counts.astype(np.float64) ** -POWERS[by]
    return np.asarray(weights * counts.sum() / (weights * counts).sum(), np.float32)


def lightest(scores: dict[Weighting, float]) -> Weighting:
    """Return the lightest weighting that no heavier one beats by WORTH."""
    best = Weighting.NONE
    for by in POWERS:
        if scores[by] >= scores[best] + WORTH:
            best = by
    return best


def said(counts: NDArray[np.integer[Any]], best: Weighting, scores: dict[Weighting, float]) -> str:
    """Return the line that tells the user."""
    others = ", ".join(f"{score:.3f} by {by}" for by, score in scores.items() if by not in (best, Weighting.NONE))
    uneven = f"classes are uneven ({counts.max():,} to {counts.min():,} samples to train on)"
    if best is Weighting.NONE:
        return (
            f"{uneven}: not weighted, chosen on validation: macro F1 {scores[best]:.3f} against {others} "
            f"({WORTH:g} more is asked for)"
        )
    against = f"{scores[Weighting.NONE]:.3f} without" + (f", {others}" if others else "")
    return f"{uneven}: weighted by {best}, chosen on validation: macro F1 {scores[best]:.3f} against {against}"


def _weighed(rows: Rows, by: Weighting) -> Rows:
    return rows if by is Weighting.NONE else replace(rows, weights=class_weights(by, np.bincount(rows.y))[rows.y])
