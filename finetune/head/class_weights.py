"""Class weights for imbalanced classes: whether samples of rare classes count more, decided on the validation part.

The criterion is the macro F1, which treats all classes alike and needs both precision and recall of each. The balanced
log loss would not do: full weights minimise it by definition, whatever the data. Accuracy is dominated by large
classes. A heavier weighting must beat the lighter one by `MIN_MACRO_F1_GAIN`, for with few samples of a rare class the
score is noisy.

With class weights, probabilities lean towards rare classes. The one temperature, fitted on the unweighted validation
part, corrects over- and underconfidence, but not this lean.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from finetune.head import FitData, Grid
from finetune.head.classify_and_tag import ClassifyChoice, ClassifyFitter
from graft.progress import Progress
from graft.types import Float32Array

IMBALANCE_THRESHOLD: Final = 3.0  # largest class to smallest, in train samples, above which class weights are tried
MIN_MACRO_F1_GAIN: Final = 0.01  # macro F1 by which a heavier weighting must win


class ClassWeighting(StrEnum):
    """How class weights follow from class frequencies, from the lightest to the heaviest."""

    NONE = "none"
    ROOT = "root of inverse frequency"
    INVERSE = "inverse frequency"


FREQUENCY_POWERS: Final = {ClassWeighting.NONE: 0.0, ClassWeighting.ROOT: 0.5, ClassWeighting.INVERSE: 1.0}


@dataclass(frozen=True, slots=True)
class ClassWeightChoice:
    """How classes are weighted, and the scores that decided it."""

    weighting: ClassWeighting
    weights: Float32Array  # [k], of a sample of each class; their mean over the train samples is 1
    macro_f1: dict[ClassWeighting, float] = field(default_factory=dict)  # on the validation part, of each weighting

    def apply(self, data: FitData) -> FitData:
        """Return `data` with the sample weights that follow; without any where classes are not weighted."""
        return data if self.weighting is ClassWeighting.NONE else replace(data, sample_weights=self.weights[data.y])

    def facts(self) -> dict[str, Any]:
        """Return the entry `balanced` of the manifest, ready for JSON."""
        return {"by": str(self.weighting), "val_macro_f1": {str(by): score for by, score in self.macro_f1.items()}}


def choose_class_weights(
    fitter: ClassifyFitter, data: FitData, grid: Grid | None, progress: Progress
) -> tuple[ClassifyChoice, ClassWeightChoice]:
    """Choose the hyper-parameters of a head of classes, and its class weights where classes are imbalanced.

    Raises:
        DatasetError: every feature is constant.
    """
    counts = np.bincount(data.y)
    candidates = [ClassWeightChoice(by, class_weights(counts, power)) for by, power in FREQUENCY_POWERS.items()]
    if counts.max() <= IMBALANCE_THRESHOLD * counts.min():
        return fitter.choose(data, grid), candidates[0]
    choices = {one.weighting: fitter.choose(one.apply(data), grid) for one in candidates}
    scores = {by: choice.val_macro_f1 for by, choice in choices.items()}
    best = lightest_weighting(scores)
    progress.log(describe_weighting(counts, best, scores))
    return choices[best], ClassWeightChoice(best, class_weights(counts, FREQUENCY_POWERS[best]), scores)


def class_weights(counts: NDArray[np.integer[Any]], power: float) -> Float32Array:
    """Return the weight of a sample of each class, float32 [k]: class frequency to the power of minus `power`.

    The mean over all samples is 1; `counts` int [k] are the samples of each class. Power 1 is what scikit-learn calls
    "balanced", 0 is no weighting.

    >>> class_weights(np.array([90, 10]), 1.0).tolist()
    [0.5555555820465088, 5.0]
    """
    weights = counts.astype(np.float64) ** -power
    return np.asarray(weights * counts.sum() / (weights * counts).sum(), np.float32)


def lightest_weighting(scores: dict[ClassWeighting, float]) -> ClassWeighting:
    """Return the lightest weighting that no heavier one beats by `MIN_MACRO_F1_GAIN`; `scores` are macro F1."""
    best = ClassWeighting.NONE
    for by in FREQUENCY_POWERS:
        if scores[by] >= scores[best] + MIN_MACRO_F1_GAIN:
            best = by
    return best


def describe_weighting(
    counts: NDArray[np.integer[Any]], best: ClassWeighting, scores: dict[ClassWeighting, float]
) -> str:
    """Return the log line about the weighting; `counts` int [k] are the train samples of each class."""
    others = ", ".join(f"{score:.3f} by {by}" for by, score in scores.items() if by not in (best, ClassWeighting.NONE))
    imbalance = f"classes are imbalanced ({counts.max():,} to {counts.min():,} train samples)"
    if best is ClassWeighting.NONE:
        return (
            f"{imbalance}: no class weights, chosen on validation: macro F1 {scores[best]:.3f} against {others} "
            f"(weights must gain {MIN_MACRO_F1_GAIN:g})"
        )
    without = f"{scores[ClassWeighting.NONE]:.3f} without" + (f", {others}" if others else "")
    return f"{imbalance}: weighted by {best}, chosen on validation: macro F1 {scores[best]:.3f} against {without}"
