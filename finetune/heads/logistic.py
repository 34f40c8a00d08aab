"""Logistic regression on standardised features, as classes and tags share it.

How far features are standardised and the strength C of the L2 penalty are chosen on the validation part, by the log
loss that one temperature leaves there. At last the weights are fitted once more, on train and validation together,
with the same penalty for each sample; what was fitted to answers about samples that their head had not seen (the
temperature, the thresholds of tags) stays what it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from finetune.heads.chunks import Standardised, like, logits, standardised, while_it_helps
from finetune.heads.grid import Grid
from finetune.heads.lbfgs import FINE, ROUGH, Link, minimum
from finetune.heads.linear import Head
from finetune.heads.rows import Rows
from finetune.heads.scaler import Doubles, Floats

Targets = NDArray[Any]  # int [n] of classes, bool [n,k] of tags
Path = Iterator[tuple[float, Doubles, Doubles]]  # strength, weights [k,e], bias [k]
Begin = tuple[Doubles, Doubles] | None  # weights [k,e] and bias [k] to start from

MAX_STEPS: Final = 1000  # of L-BFGS; an unfinished fit is a candidate like any other


@dataclass(frozen=True, slots=True)
class Choice:
    """What was tried on the validation part, and how it did."""

    power: float  # of the deviation that features were divided by: 1 standardised, 0.5 halfway
    strength: float  # C, the inverse of the L2 penalty; two classes have two rows of weights, as more have
    temperature: float
    val_loss: float  # log loss on the validation part, after temperature; of tags the mean over them


Chosen = TypeVar("Chosen", bound=Choice)


@dataclass(frozen=True, slots=True)
class Logistic(Generic[Chosen]):
    """One kind of logistic regression. The same arguments give the same head, whatever the number of cores."""

    kind: str  # as a manifest calls the head
    link: Link
    grid: Grid
    counts: Callable[[Targets], NDArray[np.integer[Any]]]  # of targets of n samples: how many have each of the k
    judged: Callable[[float, float, Doubles, Targets], Chosen]  # power, strength, logits [m,k], targets of m samples
    weighed: Callable[[Targets, Floats, Targets], Floats]  # of targets [n], their weights [n], others: weights of these

    def choose(self, rows: Rows, grid: Grid | None = None) -> Chosen:
        """Return the choice of `grid`, by default its own, that does best on the validation part.

        It begins from no other head: one that has seen the validation part would be praised for it.

        Raises:
            DatasetError: every feature is constant.
        """
        with threadpool_limits(1, "blas"):
            return min(self.tried(rows, grid or self.grid), key=_loss)

    def refit(self, choice: Chosen, rows: Rows, start: Head[Any] | None = None) -> Head[Chosen]:
        """Return the head of a choice, fitted to both parts.

        `start` is a head of the same classes or tags and features that the fit begins from.
        """
        weights, both = rows.weights, rows.targets()
        each = None if weights is None else np.concatenate([weights, self.weighed(rows.y, weights, rows.y_val)])
        strength = choice.strength * len(rows.x) / len(both)
        with threadpool_limits(1, "blas"):
            scaler, z = standardised(choice.power, rows.x, rows.x_val)
            begin = scaler.unfolded(start.weights, start.bias) if start else None
            _, w, bias = next(self.path(z, both, (strength,), FINE, weights=each, begin=begin))
        cool = choice.temperature
        return Head.folded(self.kind, self.link, scaler, w / cool, bias / cool, choice)

    def tried(self, rows: Rows, grid: Grid) -> Iterator[Chosen]:
        """Yield all that `grid` has, for each power from the strongest penalty on while weaker ones help."""
        for power in grid.powers:
            scaler, z = standardised(power, rows.x)
            z_val = like(scaler, rows.x_val)
            path = self.path(z, rows.y, grid.strengths, ROUGH, weights=rows.weights)
            yield from while_it_helps(
                (self.judged(power, strength, logits(z_val, w, bias), rows.y_val) for strength, w, bias in path), _loss
            )

    def path(
        self,
        z: Standardised,
        y: Targets,
        strengths: Sequence[float],
        tolerance: float,
        *,
        weights: Floats | None = None,
        begin: Begin = None,
    ) -> Path:
        """Yield weights and bias for each strength, each started from the last; the first from `begin` or from zero."""
        n, e = z.shape
        if begin:
            found = np.hstack([z.inward(begin[0]), begin[1][:, None]])
        else:
            # The bias begins where it gives each class or tag its own frequency.
            rate = (self.counts(y) + 0.5) / (n + 1)
            found = np.hstack([np.zeros((len(rate), e)), np.log(rate / (1 - rate))[:, None]])
        for strength in strengths:
            found = minimum(
                z, y, found, link=self.link, strength=strength, weights=weights, tolerance=tolerance, steps=MAX_STEPS
            )
            yield strength, z.outward(found[:, :e]), found[:, e].copy()


def _loss(choice: Choice) -> float:
    return choice.val_loss
