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

from finetune.head import FitData, Grid, Head
from finetune.head import classify_and_tag as classify
from graft.progress import Progress
from graft.types import Float32Array

IMBALANCE_THRESHOLD: Final = 3.0  # largest class to smallest, in samples to train on, above which weights are tried
MIN_MACRO_F1_GAIN: Final = 0.01  # of macro F1, that a heavier weighting must bring


class ClassWeighting(StrEnum):
    """How much a sample counts, by the frequency of its class; from the lightest to the heaviest."""

    NONE = "none"
    ROOT = "root of inverse frequency"
    INVERSE = "inverse frequency"


FREQUENCY_POWERS: Final = {ClassWeighting.NONE: 0.0, ClassWeighting.ROOT: 0.5, ClassWeighting.INVERSE: 1.0}


@dataclass(frozen=True, slots=True)
class ClassWeightChoice:
    """How classes were weighted, and why."""

    weighting: ClassWeighting
    weights: Float32Array  # [k], of a sample of each class; their mean over the train part is 1
    macro_f1: dict[ClassWeighting, float] = field(default_factory=dict)  # on the validation part, of what was tried

    def facts(self) -> dict[str, Any]:
        """Return what the manifest says of it; ready for JSON."""
        return {
            "by": str(self.weighting),
            "val_macro_f1": {str(tried): score for tried, score in self.macro_f1.items()},
        }


def fit_with_class_weights(
    data: FitData,
    progress: Progress,
    *,
    warm_start: Head[Any] | None = None,
    grid: Grid = classify.CLASSIFY_GRID,
) -> tuple[Head[classify.ClassifyChoice], ClassWeightChoice]:
    """Fit a head to the classes of `data`, which have no weights yet, with those that serve them best.

    Only the last fit, to both parts, begins from `warm_start`, which may have seen the validation part.

    Raises:
        DatasetError: every feature is constant.
    """
    counts = np.bincount(data.y)
    if counts.max() <= IMBALANCE_THRESHOLD * counts.min():
        head = classify.refit(classify.choose(data, grid), data, warm_start)
        return head, ClassWeightChoice(ClassWeighting.NONE, np.ones(len(counts), np.float32))
    choices = {by: classify.choose(_apply_weighting(data, by), grid) for by in FREQUENCY_POWERS}
    scores = {by: choice.val_macro_f1 for by, choice in choices.items()}
    best = lightest_weighting(scores)
    progress.log(describe_weighting(counts, best, scores))
    head = classify.refit(choices[best], _apply_weighting(data, best), warm_start)
    return head, ClassWeightChoice(best, class_weights(best, counts), scores)


def class_weights(weighting: ClassWeighting, counts: NDArray[np.integer[Any]]) -> Float32Array:
    """Return the weight of a sample of each class, float32 [k]; their mean over `counts` [k] samples is 1."""
    weights = counts.astype(np.float64) ** -FREQUENCY_POWERS[weighting]
    return np.asarray(weights * counts.sum() / (weights * counts).sum(), np.float32)


def lightest_weighting(scores: dict[ClassWeighting, float]) -> ClassWeighting:
    """Return the lightest weighting that no heavier one beats by WORTH."""
    best = ClassWeighting.NONE
    for by in FREQUENCY_POWERS:
        if scores[by] >= scores[best] + MIN_MACRO_F1_GAIN:
            best = by
    return best


def describe_weighting(
    counts: NDArray[np.integer[Any]], best: ClassWeighting, scores: dict[ClassWeighting, float]
) -> str:
    """Return the line that tells the user."""
    others = ", ".join(f"{score:.3f} by {by}" for by, score in scores.items() if by not in (best, ClassWeighting.NONE))
    uneven = f"classes are uneven ({counts.max():,} to {counts.min():,} samples to train on)"
    if best is ClassWeighting.NONE:
        return (
            f"{uneven}: not weighted, chosen on validation: macro F1 {scores[best]:.3f} against {others} "
            f"({MIN_MACRO_F1_GAIN:g} more is asked for)"
        )
    without = f"{scores[ClassWeighting.NONE]:.3f} without" + (f", {others}" if others else "")
    return f"{uneven}: weighted by {best}, chosen on validation: macro F1 {scores[best]:.3f} against {without}"


def _apply_weighting(data: FitData, weighting: ClassWeighting) -> FitData:
    return (
        data
        if weighting is ClassWeighting.NONE
        else replace(data, sample_weights=class_weights(weighting, np.bincount(data.y))[data.y])
    )
