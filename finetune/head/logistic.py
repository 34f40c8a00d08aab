"""Logistic regression on standardised features, as classes and tags share it.

How far features are standardised and the strength C of the L2 penalty are chosen on the validation part, by the log
loss that one temperature leaves there. At last the weights are fitted once more, on train and validation together,
with the same penalty for each sample; what was fitted to answers about samples that their head had not seen (the
temperature, the thresholds of tags) stays what it was.

Weights that minimise a log loss and an L2 penalty, by L-BFGS; a chunk of the rows at a time.

The same problem as scikit-learn's LogisticRegression: mean log loss + |weights|² / (2 C n), the bias is free.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import fmin_l_bfgs_b
from scipy.special import expit
from threadpoolctl import threadpool_limits

from finetune.head.fit_data import FitData, Grid
from finetune.head.head_onnx import Head
from finetune.head.standardize import (
    StandardizedFeatures,
    compute_logits,
    map_chunks,
    standardize,
    standardize_with,
    with_early_stopping,
)
from graft.types import Float32Array, Float64Array

TargetArray = NDArray[Any]  # int [n] of classes, bool [n,k] of tags


RegularizationPath = Iterator[tuple[float, Float64Array, Float64Array]]  # strength, weights [k,e], bias [k]


InitialWeights = tuple[Float64Array, Float64Array] | None  # weights [k,e] and bias [k] to start from


MAX_STEPS: Final = 1000  # of L-BFGS; an unfinished fit is a candidate like any other


CANDIDATE_TOLERANCE, FINAL_TOLERANCE = 1e-4, 1e-5  # gradients at which it stops: of a candidate, of the head itself


LOSS_REDUCTION_FACTOR: Final = 1e3  # of the loss in one step, in units of the last digit, under which it stops as well


LogisticLink = Literal["Softmax", "Sigmoid"]


LossFunction = Callable[[Float64Array, NDArray[Any]], tuple[Float64Array, Float64Array]]


@dataclass(frozen=True, slots=True)
class LogisticChoice:
    """What was tried on the validation part, and how it did."""

    power: float  # of the deviation that features were divided by: 1 standardised, 0.5 halfway
    strength: float  # C, the inverse of the L2 penalty; two classes have two rows of weights, as more have
    temperature: float
    val_loss: float  # log loss on the validation part, after temperature; of tags the mean over them


LogisticChoiceT = TypeVar("LogisticChoiceT", bound=LogisticChoice)


@dataclass(frozen=True, slots=True)
class LogisticFitter(Generic[LogisticChoiceT]):
    """One kind of logistic regression. The same arguments give the same head, whatever the number of cores."""

    kind: str  # as a manifest calls the head
    link: LogisticLink
    grid: Grid
    count_targets: Callable[
        [TargetArray], NDArray[np.integer[Any]]
    ]  # of targets of n samples: how many have each of the k
    evaluate: Callable[
        [float, float, Float64Array, TargetArray], LogisticChoiceT
    ]  # power, strength, logits [m,k], targets of m samples
    weigh_validation: Callable[
        [TargetArray, Float32Array, TargetArray], Float32Array
    ]  # of targets [n], their weights [n], others: weights of these

    def choose(self, data: FitData, grid: Grid | None = None) -> LogisticChoiceT:
        """Return the choice of `grid`, by default its own, that does best on the validation part.

        It begins from no other head: one that has seen the validation part would be praised for it.

        Raises:
            DatasetError: every feature is constant.
        """
        with threadpool_limits(1, "blas"):
            return min(self.candidates(data, grid or self.grid), key=_validation_loss)

    def refit(
        self, choice: LogisticChoiceT, data: FitData, warm_start: Head[Any] | None = None
    ) -> Head[LogisticChoiceT]:
        """Return the head of a choice, fitted to both parts.

        `warm_start` is a head of the same classes or tags and features that the fit begins from.
        """
        weights, both = data.sample_weights, data.all_targets()
        sample_weights = (
            None if weights is None else np.concatenate([weights, self.weigh_validation(data.y, weights, data.y_val)])
        )
        strength = choice.strength * len(data.x) / len(both)
        with threadpool_limits(1, "blas"):
            scaler, z = standardize(choice.power, data.x, data.x_val)
            initial = scaler.unfold_weights(warm_start.weights, warm_start.bias) if warm_start else None
            _, w, bias = next(
                self.fit_path(z, both, (strength,), FINAL_TOLERANCE, sample_weights=sample_weights, initial=initial)
            )
        temperature = choice.temperature
        return Head.from_standardized(self.kind, self.link, scaler, w / temperature, bias / temperature, choice)

    def candidates(self, data: FitData, grid: Grid) -> Iterator[LogisticChoiceT]:
        """Yield all that `grid` has, for each power from the strongest penalty on while weaker ones help."""
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
        """Yield weights and bias for each strength, each started from the last; the first from `initial` or from zero."""
        n, e = z.shape
        if initial:
            solution = np.hstack([z.to_span(initial[0]), initial[1][:, None]])
        else:
            # The bias begins where it gives each class or tag its own frequency.
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
    y: NDArray[Any],
    initial: Float64Array,
    *,
    link: LogisticLink,
    strength: float,
    sample_weights: Float32Array | None = None,
    tolerance: float,
    max_steps: int,
) -> Float64Array:
    """Return weights and bias, [k,e+1], found from `initial`, float64 [k,e+1].

    `z` [n,e]; `y` int [n] for Softmax, 0/1 [n,k] for Sigmoid; `strength` is C; `sample_weights` [n] of the samples.
    """
    n, d = z.shape
    total = n if sample_weights is None else float(sample_weights.sum(dtype=np.float64))
    penalty = 1 / (strength * total)
    losses = _LOSS_FUNCTIONS[link]

    def loss(flat: Float64Array) -> tuple[float, Float64Array]:
        w = flat.reshape(initial.shape)
        turned = w[:, :d].T.astype(np.float32)

        def look(rows: slice, piece: Float32Array) -> tuple[float, Float64Array]:
            value, off = losses(piece @ turned + w[:, d], y[rows])
            if sample_weights is not None:
                value, off = value * sample_weights[rows, None], off * sample_weights[rows, None]
            off = off / total  # [c,k]
            slope = off.T.astype(np.float32) @ piece
            return float(value.sum()), np.hstack([slope, off.sum(0)[:, None]])

        value, gradient = 0.0, np.zeros_like(initial)
        for one, slope in map_chunks(z, look):
            value, gradient = value + one, gradient + slope
        gradient[:, :d] += penalty * w[:, :d]
        return float(value / total + penalty / 2 * (w[:, :d] ** 2).sum()), gradient.ravel()

    solution, _, _ = fmin_l_bfgs_b(
        loss, initial.ravel(), maxiter=max_steps, pgtol=tolerance, factr=LOSS_REDUCTION_FACTOR
    )
    return np.asarray(solution).reshape(initial.shape)


def _sigmoid_loss(logits: Float64Array, y: NDArray[Any]) -> tuple[Float64Array, Float64Array]:
    """Return the losses [c,k], and how far the answers are off [c,k]."""
    return np.logaddexp(0, logits) - y * logits, expit(logits) - y


def _softmax_loss(logits: Float64Array, y: NDArray[Any]) -> tuple[Float64Array, Float64Array]:
    """Return the losses [c,1], and how far the answers are off [c,k]."""
    row = np.arange(len(y))
    shifted = logits - logits.max(1, keepdims=True)
    off = np.exp(shifted)
    whole = off.sum(1, keepdims=True)
    off /= whole
    off[row, y] -= 1
    return np.log(whole) - shifted[row, y][:, None], off


_LOSS_FUNCTIONS: Final[dict[LogisticLink, LossFunction]] = {"Sigmoid": _sigmoid_loss, "Softmax": _softmax_loss}
