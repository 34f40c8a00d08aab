"""Heads: features [n,d] -> scores [n,k]. The contract that the heads of all tasks keep.

A `HeadFitter` chooses the hyper-parameters on the validation part (`choose`) and then fits the head to the train and
validation parts together (`refit`). The fitters are in `finetune.head.classify_and_tag` and `finetune.head.regress`;
`finetune.head.fit.fit_head` is the entry that puts all steps together. A head is one Gemm with the standardisation
folded in. It is fitted chunk by chunk, so the features may lie in a file (`finetune.features.memmap_rows`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from finetune.data.dataset import SplitPart
from finetune.data.split import Split
from finetune.features.memmap_rows import take_rows
from finetune.head.head_onnx import ChoiceT, Head, read_onnx_versions
from graft.types import Float32Array

__all__ = ["FitData", "Grid", "Head", "HeadFitter", "read_onnx_versions"]


@dataclass(frozen=True, slots=True)
class FitData:
    """Features and targets: n samples to train on and m to validate on. m may be 0 where nothing is chosen.

    Targets are int [n] (classes), bool [n,k] (tags) or float64 [n] (numbers). Validation samples all count alike while
    hyper-parameters are chosen, whatever the `sample_weights`.
    """

    x: Float32Array  # [n,d]
    y: NDArray[Any]  # [n] or [n,k]
    x_val: Float32Array  # [m,d]
    y_val: NDArray[Any]  # [m] or [m,k]
    sample_weights: Float32Array | None = None  # [n]; None: all samples count alike

    @classmethod
    def from_split(cls, x: Float32Array, y: NDArray[Any], split: Split) -> FitData:
        """Return the train and validation parts of all samples' features `x` [n,d] and targets `y` [n] or [n,k]."""
        train, val = split.rows(SplitPart.TRAIN), split.rows(SplitPart.VAL)
        return cls(take_rows(x, train), y[train], take_rows(x, val), y[val])

    def all_targets(self) -> NDArray[Any]:
        """Return the targets of both parts, [n+m] or [n+m,k]."""
        return np.concatenate([self.y, self.y_val])


@dataclass(frozen=True, slots=True)
class Grid:
    """A grid search over hyper-parameters: each power is tried with each strength on the validation part."""

    powers: tuple[float, ...]  # how far features are standardised, see `finetune.head.standardize.Scaler`
    strengths: tuple[float, ...]  # classes and tags: C, the inverse of the L2 penalty; numbers: the penalty itself

    @classmethod
    def around(cls, power: float, strength: float) -> Grid:
        """Return a small grid around hyper-parameters that were best for nearly the same data.

        >>> [round(strength, 2) for strength in Grid.around(0.5, 1.0).strengths]
        [0.32, 1.0, 3.16]
        """
        return cls((power,), (strength / 10**0.5, strength, strength * 10**0.5))


class HeadFitter(Protocol[ChoiceT]):
    """How the head of a task is fitted. A choice is a frozen dataclass of hyper-parameters and validation results."""

    @property
    def grid(self) -> Grid:
        """The default grid."""

    @property
    def strength_field(self) -> str:
        """The name of the choice's field with the strength of the penalty."""

    @property
    def loss_field(self) -> str:
        """The name of the choice's field with the loss on the validation part."""

    def choose(self, data: FitData, grid: Grid | None = None) -> ChoiceT:
        """Return the choice of `grid`, by default the fitter's own, with the smallest loss on the validation part.

        Raises:
            DatasetError: every feature is constant.
        """

    def refit(self, choice: ChoiceT, data: FitData, warm_start: Head[Any] | None = None) -> Head[ChoiceT]:
        """Return the head of a choice, fitted to both parts; `warm_start` is a head to start the optimisation from."""
