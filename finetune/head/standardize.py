"""Standardisation of features, in chunks on a thread pool, without the nearly constant features.

Standardised features are kept in memory where they fit, else computed anew at each pass. Chunks are float32; their
results are summed in float64 and in order, so the number of cores changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from finetune.features.memmap_rows import chunk_slices, should_chunk
from graft.errors import DatasetError
from graft.runtime.cpu_threads import available_cores, map_ordered, thread_pool
from graft.types import Float32Array, Float64Array

CandidateT = TypeVar("CandidateT")
ChunkResultT = TypeVar("ChunkResultT")
Chunk = tuple[slice, Callable[[], Float32Array]]  # the rows, and a function that computes them

PATIENCE: Final = 3  # candidates in a row without a smaller loss before a regularisation path ends
SCALING_POWERS: Final = (1.0, 0.5)
MIN_RELATIVE_DEVIATION: Final = 1e-3  # features whose deviation is under this share of the median deviation are dropped


@dataclass(frozen=True, slots=True)
class StandardizedFeatures:
    """Standardised features [n,e] of n samples; with far fewer samples than features, in coordinates of their span."""

    shape: tuple[int, int]
    chunks: tuple[Chunk, ...]
    basis: Float64Array | None = None  # [d,e], of the span; None: plain coordinates

    @classmethod
    def from_array(cls, z: Float32Array, basis: Float64Array | None = None) -> StandardizedFeatures:
        """Return features `z` [n,e] that are in memory already."""
        chunks = tuple((rows, lambda rows=rows: z[rows]) for rows in chunk_slices(*z.shape))
        return cls((len(z), z.shape[1]), chunks, basis)

    def to_span(self, weights: Float64Array) -> Float64Array:
        """Return weights [k,d] for plain coordinates as weights [k,e] for the span's."""
        return weights if self.basis is None else weights @ self.basis

    def from_span(self, weights: Float64Array) -> Float64Array:
        """Return weights [k,e] for the span's coordinates as weights [k,d] for plain ones."""
        return weights.copy() if self.basis is None else weights @ self.basis.T


def standardize(power: float, *parts: Float32Array) -> tuple[Scaler, StandardizedFeatures]:
    """Fit a scaler to features float32 [n,d], all `parts` together, and return it with the standardised features.

    `power` 1 divides by the deviation, 0.5 by its root.

    Raises:
        DatasetError: every feature is constant.
    """
    scaler = Scaler.from_moments(*_mean_and_deviation(parts), power)
    lazy = _standardize_lazily(scaler, parts)
    if should_chunk(*parts):
        return scaler, lazy
    array = _concat_chunks(lazy)
    basis = span_basis(array)
    return scaler, StandardizedFeatures.from_array(
        array if basis is None else (array @ basis).astype(np.float32), basis
    )


def standardize_with(scaler: Scaler, *parts: Float32Array) -> StandardizedFeatures:
    """Return features float32 [n,d], all `parts` together, standardised by a scaler fitted to others."""
    lazy = _standardize_lazily(scaler, parts)
    return lazy if should_chunk(*parts) else StandardizedFeatures.from_array(_concat_chunks(lazy))


def map_chunks(
    z: StandardizedFeatures, function: Callable[[slice, Float32Array], ChunkResultT]
) -> Iterator[ChunkResultT]:
    """Yield `function(rows, features)` of each chunk, in order."""
    if len(z.chunks) == 1:  # a thread pool would cost more than it gains
        rows, piece = z.chunks[0]
        yield function(rows, piece())
        return
    with thread_pool() as pool:
        yield from map_ordered(pool, lambda one: function(one[0], one[1]()), z.chunks, 2 * available_cores())


def compute_logits(z: StandardizedFeatures, weights: Float64Array, bias: Float64Array) -> Float64Array:
    """Return z @ weights.T + bias, float64 [n,k]; weights [k,e], bias [k]."""
    transposed = weights.T.astype(np.float32)
    return np.concatenate(list(map_chunks(z, lambda _, piece: piece @ transposed + bias)))


def with_early_stopping(candidates: Iterable[CandidateT], loss: Callable[[CandidateT], float]) -> Iterator[CandidateT]:
    """Yield candidates until `PATIENCE` of them in a row had no smaller loss than the best."""
    best, without_gain = np.inf, 0
    for candidate in candidates:
        yield candidate
        best, without_gain = (loss(candidate), 0) if loss(candidate) < best else (best, without_gain + 1)
        if without_gain == PATIENCE:
            return


def _standardize_lazily(scaler: Scaler, parts: tuple[Float32Array, ...]) -> StandardizedFeatures:
    """Return standardised features that are computed anew at each pass."""
    return StandardizedFeatures((sum(map(len, parts)), len(scaler.scale)), tuple(_iter_chunks(scaler, parts)))


def _concat_chunks(z: StandardizedFeatures) -> Float32Array:
    return np.concatenate([piece() for _, piece in z.chunks])


def _iter_chunks(scaler: Scaler, parts: tuple[Float32Array, ...]) -> Iterator[Chunk]:
    mean, scale = scaler.mean.astype(np.float32), (1 / scaler.scale).astype(np.float32)
    all_kept = scaler.feature_mask.all()
    first = 0
    for part in parts:
        for rows in chunk_slices(*part.shape):

            def piece(part: Float32Array = part, rows: slice = rows) -> Float32Array:
                x = part[rows] if all_kept else part[rows][:, scaler.feature_mask]
                z: Float32Array = x - mean
                z *= scale
                return z

            yield slice(first + rows.start, first + rows.stop), piece
        first += len(part)


def _mean_and_deviation(parts: tuple[Float32Array, ...]) -> tuple[Float64Array, Float64Array]:
    """Return mean and standard deviation of each feature, float64 [d] each, in two passes for exactness."""
    n = sum(map(len, parts))
    chunks = [(part, rows) for part in parts for rows in chunk_slices(*part.shape)]
    with thread_pool() as pool:
        mean = sum(map_ordered(pool, lambda c: c[0][c[1]].sum(0, dtype=np.float64), chunks, 2 * available_cores())) / n
        squares = sum(map_ordered(pool, lambda c: ((c[0][c[1]] - mean) ** 2).sum(0), chunks, 2 * available_cores()))
    return mean, np.sqrt(squares / n)


@dataclass(frozen=True, slots=True)
class Scaler:
    """Features [n,d] -> standardised ones [n,e], without the nearly constant ones.

    Half standardisation divides by the root of the deviation ("Pareto scaling", van den Berg et al. 2006): most
    pooled features are rarely on, and dividing by their tiny deviation makes outliers of them.
    """

    feature_mask: NDArray[np.bool_]  # [d], the features that are kept
    mean: Float64Array  # [e]
    scale: Float64Array  # [e]

    @classmethod
    def from_features(cls, x: Float32Array, power: float) -> Scaler:
        """Return the scaler of features `x` [n,d]; `power` 1 divides by the deviation, 0.5 by its root.

        Raises:
            DatasetError: every feature is constant.
        """
        return cls.from_moments(x.mean(0, dtype=np.float64), x.std(0, dtype=np.float64), power)

    @classmethod
    def from_moments(cls, mean: Float64Array, deviation: Float64Array, power: float) -> Scaler:
        """Return the scaler of features with the given mean [d] and standard deviation [d].

        Raises:
            DatasetError: every feature is constant.
        """
        positive = deviation[deviation > 0]
        median = float(np.median(positive)) if len(positive) else 1.0
        feature_mask = deviation > MIN_RELATIVE_DEVIATION * median
        if not feature_mask.any():
            raise DatasetError(
                "the backbone sees no difference between the samples: all their features are the same. "
                "Check that the files are what they should be, or choose another --backbone."
            )
        return cls(feature_mask, mean[feature_mask], deviation[feature_mask] ** power * median ** (1 - power))

    def __call__(self, x: Float32Array) -> Float64Array:
        """Return `x` [n,d] standardised, float64 [n,e]."""
        z: Float64Array = x[:, self.feature_mask] - self.mean
        z /= self.scale  # in place: this is the largest array of a fit
        return z

    def unfold_weights(self, weights: Float32Array, bias: Float32Array) -> tuple[Float64Array, Float64Array]:
        """Return the weights float64 [k,e] and bias [k] for standardised features that equal these for plain ones."""
        kept_weights = weights[:, self.feature_mask].astype(np.float64)
        return kept_weights * self.scale, bias + kept_weights @ self.mean


def span_basis(z: Float32Array) -> Float64Array | None:
    """Return an orthonormal basis [d,n] of the span of `z` [n,d] where that has far fewer dimensions; else None.

    With fewer samples than features, the optimum under an L2 penalty lies in the span of the samples. So the fit may
    run in coordinates of that span: the same solution, many times faster.
    """
    n, d = z.shape
    return np.linalg.qr(z.T.astype(np.float64))[0] if 2 * n < d else None
