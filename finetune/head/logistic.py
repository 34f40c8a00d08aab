"""Logistic regression on standardised features by L-BFGS, chunk by chunk; classes and tags share it.

The problem is that of scikit-learn's LogisticRegression: mean log loss + |weights|² / (2 C n), the bias is not
penalised. How far features are standardised and C are chosen by the log loss on the validation part, after temperature
scaling. Then the weights are fitted once more, to the train and validation parts together, with the same penalty per
sample. What was fitted to predictions for samples that their head had not seen (the temperature, the thresholds of
tags) stays as it was.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import fmin_l_bfgs_b
from scipy.special import expit
from threadpoolctl import threadpool_limits

from finetune.head import FitData, Grid, Head
from finetune.head.standardize import (
    StandardizedFeatures,
    compute_logits,
    map_chunks,
    standardize,
    standardize_with,
    with_early_stopping,
)
from graft.types import Float32Array, Float64Array

LogisticLink = Literal["Softmax", "Sigmoid"]
TargetArray = NDArray[Any]  # int [n] (classes) or bool [n,k] (tags)
RegularizationPath = Iterator[tuple[float, Float64Array, Float64Array]]  # strength, weights [k,e], bias [k]
InitialWeights = tuple[Float64Array, Float64Array] | None  # weights [k,e] and bias [k] to start from
LossFunction = Callable[[Float64Array, TargetArray], tuple[Float64Array, Float64Array]]

MAX_STEPS: Final = 1000  # of L-BFGS; an unfinished fit is a candidate like any other
CANDIDATE_TOLERANCE, FINAL_TOLERANCE = 1e-4, 1e-5  # gradients at which the fit of a candidate, of the head itself stops
LOSS_REDUCTION_FACTOR: Final = 1e3  # it also stops where a step gains less than this many units of the last digit


@dataclass(frozen=True, slots=True)
class LogisticChoice:
    """Hyper-parameters, with their results on the validation part."""

    power: float  # of the deviation that features are divided by: 1 is full standardisation, 0.5 half of it
    strength: float  # C, the inverse of the L2 penalty; two classes have two rows of weights, as more have
    temperature: float
    val_loss: float  # log loss on the validation part, after temperature scaling; of tags the mean over them


LogisticChoiceT = TypeVar("LogisticChoiceT", bound=LogisticChoice)


class LogisticFitter(ABC, Generic[LogisticChoiceT]):
    """A kind of logistic regression. The same arguments give the same head, whatever the number of cores."""

    kind: ClassVar[str]  # the manifest's name for the head
    link: ClassVar[LogisticLink]
    grid: ClassVar[Grid]
    strength_field: ClassVar = "strength"
    loss_field: ClassVar = "val_loss"

    @abstractmethod
    def count_targets(self, y: TargetArray) -> NDArray[np.integer[Any]]:
        """Return how many samples each class or tag has, int [k]."""

    @abstractmethod
    def evaluate(self, power: float, strength: float, logits: Float64Array, y: TargetArray) -> LogisticChoiceT:
        """Return the choice of `power` and `strength`, whose validation logits are `logits` [m,k]."""

    @abstractmethod
    def validation_weights(self, y: TargetArray, weights: Float32Array, y_val: TargetArray) -> Float32Array:
        """Return how much each of m validation samples counts in the last fit; `weights` [n] are the train samples'."""

    def choose(self, data: FitData, grid: Grid | None = None) -> LogisticChoiceT:
        """Return the choice of `grid`, by default the fitter's own, with the smallest validation loss.

        No candidate starts from another head: one that has seen the validation part would bias the choice.

        Raises:
            DatasetError: every feature is constant.
        """
        with threadpool_limits(1, "blas"):
            return min(self.candidates(data, grid or self.grid), key=_validation_loss)

    def refit(
        self, choice: LogisticChoiceT, data: FitData, warm_start: Head[Any] | None = None
    ) -> Head[LogisticChoiceT]:
        """Return the head of a choice, fitted to both parts, with the temperature folded in.

        `warm_start` is a head of the same labels and features that the optimisation starts from.
        """
        weights, both = data.sample_weights, data.all_targets()
        sample_weights = (
            None if weights is None else np.concatenate([weights, self.validation_weights(data.y, weights, data.y_val)])
        )
        strength = choice.strength * len(data.x) / len(both)  # the same penalty per sample
        with threadpool_limits(1, "blas"):
            scaler, z = standardize(choice.power, data.x, data.x_val)
            initial = scaler.unfold_weights(warm_start.weights, warm_start.bias) if warm_start else None
            _, w, bias = next(
                self.fit_path(z, both, (strength,), FINAL_TOLERANCE, sample_weights=sample_weights, initial=initial)
            )
        temperature = choice.temperature
        return Head.from_standardized(self.kind, self.link, scaler, w / temperature, bias / temperature, choice)

    def candidates(self, data: FitData, grid: Grid) -> Iterator[LogisticChoiceT]:
        """Yield the choices of `grid`: for each power from the strongest penalty on, with early stopping."""
        for power in grid.powers:
            scaler, z = standardize(power, data.x)
            z_val = standardize_with(scaler, data.x_val)
            path = self.fit_path(z, data.y, grid.strengths, CANDIDATE_TOLERANCE, sample_weights=data.sample_weights)
            yield from with_early_stopping(
                (
                    self.evaluate(power, strength, compute_logits(z_val, w, bias), data.y_val)
                    for strength, w, bias in path
                ),
                _validation_loss,
            )

    def fit_path(
        self,
        z: StandardizedFeatures,
        y: TargetArray,
        strengths: Sequence[float],
        tolerance: float,
        *,
        sample_weights: Float32Array | None = None,
        initial: InitialWeights = None,
    ) -> RegularizationPath:
        """Yield weights and bias for each strength, each fit started from the one before.

        The first fit starts from `initial`, or from zero weights.
        """
        n, e = z.shape
        if initial:
            solution = np.hstack([z.to_span(initial[0]), initial[1][:, None]])
        else:
            # The bias starts where it predicts each class or tag with its own frequency.
            rate = (self.count_targets(y) + 0.5) / (n + 1)
            solution = np.hstack([np.zeros((len(rate), e)), np.log(rate / (1 - rate))[:, None]])
        for strength in strengths:
            solution = minimize_log_loss(
                z,
                y,
                solution,
                link=self.link,
                strength=strength,
                sample_weights=sample_weights,
                tolerance=tolerance,
                max_steps=MAX_STEPS,
            )
            yield strength, z.from_span(solution[:, :e]), solution[:, e].copy()


def _validation_loss(choice: LogisticChoice) -> float:
    return choice.val_loss


def minimize_log_loss(
    z: StandardizedFeatures,
    y: TargetArray,
    initial: Float64Array,
    *,
    link: LogisticLink,
    strength: float,
    sample_weights: Float32Array | None = None,
    tolerance: float,
    max_steps: int,
) -> Float64Array:
    """Return the weights and, in the last column, the bias that minimise the penalised log loss, float64 [k,e+1].

    Args:
        z: features [n,e].
        y: int [n] for Softmax, bool [n,k] for Sigmoid.
        initial: where L-BFGS starts, float64 [k,e+1].
        link: the function from logits to probabilities.
        strength: C, the inverse of the L2 penalty.
        sample_weights: how much each sample counts, float32 [n].
        tolerance: the largest component of the gradient at which it stops.
        max_steps: the number of steps after which it stops in any case.
    """
    n, d = z.shape
    total = n if sample_weights is None else float(sample_weights.sum(dtype=np.float64))
    penalty = 1 / (strength * total)
    losses = _LOSS_FUNCTIONS[link]

    def loss(flat: Float64Array) -> tuple[float, Float64Array]:
        w = flat.reshape(initial.shape)
        transposed = w[:, :d].T.astype(np.float32)

        def chunk_loss(rows: slice, piece: Float32Array) -> tuple[float, Float64Array]:
            value, residual = losses(piece @ transposed + w[:, d], y[rows])
            if sample_weights is not None:
                value, residual = value * sample_weights[rows, None], residual * sample_weights[rows, None]
            residual = residual / total  # [c,k]
            slope = residual.T.astype(np.float32) @ piece
            return float(value.sum()), np.hstack([slope, residual.sum(0)[:, None]])

        value, gradient = 0.0, np.zeros_like(initial)
        for one, slope in map_chunks(z, chunk_loss):
            value, gradient = value + one, gradient + slope
        gradient[:, :d] += penalty * w[:, :d]
        return float(value / total + penalty / 2 * (w[:, :d] ** 2).sum()), gradient.ravel()

    solution, _, _ = fmin_l_bfgs_b(
        loss, initial.ravel(), maxiter=max_steps, pgtol=tolerance, factr=LOSS_REDUCTION_FACTOR
    )
    return np.asarray(solution).reshape(initial.shape)


def _sigmoid_loss(logits: Float64Array, y: TargetArray) -> tuple[Float64Array, Float64Array]:
    """Return the losses [c,k] and the gradients by the logits [c,k]."""
    return np.logaddexp(0, logits) - y * logits, expit(logits) - y


def _softmax_loss(logits: Float64Array, y: TargetArray) -> tuple[Float64Array, Float64Array]:
    """Return the losses [c,1] and the gradients by the logits [c,k]."""
    row = np.arange(len(y))
    shifted = logits - logits.max(1, keepdims=True)
    residual = np.exp(shifted)
    whole = residual.sum(1, keepdims=True)
    residual /= whole
    residual[row, y] -= 1
    return np.log(whole) - shifted[row, y][:, None], residual


_LOSS_FUNCTIONS: Final[dict[LogisticLink, LossFunction]] = {"Sigmoid": _sigmoid_loss, "Softmax": _softmax_loss}
