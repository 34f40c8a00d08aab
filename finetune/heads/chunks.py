"""Standardised features: an array where they fit into memory, else made a chunk at a time, again at each look.

Chunks are float32 and looked at by all cores; what comes of them is summed in float64 and in their order, so the
number of cores changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from finetune.heads.scaler import Doubles, Floats, Scaler
from finetune.rows import are_large, slices
from zoo.cores import cores
from zoo.pool import crew, done_by

Chosen = TypeVar("Chosen")
Said = TypeVar("Said")
Piece = NDArray[Any]  # float64 [c,e], or float32 where it is a chunk

PATIENCE: Final = 3  # candidates in a row that may be no better before a path over many rows ends


@dataclass(frozen=True, slots=True)
class Chunked:
    """Standardised features [n,e] that are too many to be held."""

    scaler: Scaler
    parts: tuple[Floats, ...]  # [m,d] each; together n rows

    @property
    def shape(self) -> tuple[int, int]:
        """Return n and e."""
        return sum(map(len, self.parts)), len(self.scaler.scale)

    def pieces(self) -> Iterator[tuple[slice, Callable[[], Piece]]]:
        """Yield the rows of each chunk, and how to make it."""
        mean, scale = self.scaler.mean.astype(np.float32), (1 / self.scaler.scale).astype(np.float32)
        every = self.scaler.kept.all()
        first = 0
        for part in self.parts:
            for rows in slices(*part.shape):

                def piece(part: Floats = part, rows: slice = rows) -> Floats:
                    x = part[rows] if every else part[rows][:, self.scaler.kept]
                    z: Floats = x - mean
                    z *= scale
                    return z

                yield slice(first + rows.start, first + rows.stop), piece
            first += len(part)


Standardised = Doubles | Chunked


def standardised(power: float, *parts: Floats) -> tuple[Scaler, Standardised]:
    """Return the scaler of rows [n,d], all `parts` together, and the rows standardised by it.

    Raises:
        DatasetError: every feature is constant.
    """
    if are_large(*parts):
        scaler = Scaler.of_moments(*_moments(parts), power)
        return scaler, Chunked(scaler, parts)
    x = parts[0] if len(parts) == 1 else np.concatenate(parts)
    scaler = Scaler.of(x, power)
    return scaler, scaler(x)


def like(z: Standardised, scaler: Scaler, x: Floats) -> Standardised:
    """Return `x` [m,d] standardised by `scaler`, in chunks where `z` is."""
    return Chunked(scaler, (x,)) if isinstance(z, Chunked) else scaler(x)


def over(z: Standardised, look: Callable[[slice, Piece], Said]) -> Iterator[Said]:
    """Yield what `look` says of the rows of each chunk, in their order."""
    if not isinstance(z, Chunked):
        yield look(slice(0, len(z)), z)
        return
    with crew() as pool:
        yield from done_by(pool, lambda one: look(one[0], one[1]()), z.pieces(), 2 * cores())


def logits(z: Standardised, weights: Doubles, bias: Doubles) -> Doubles:
    """Return z @ weights.T + bias, float64 [n,k], of weights [k,e] and bias [k]."""
    some = list(over(z, lambda _, piece: piece @ weights.T.astype(piece.dtype, copy=False) + bias))
    return some[0] if len(some) == 1 else np.concatenate(some)


def while_it_helps(z: Standardised, candidates: Iterable[Chosen], loss: Callable[[Chosen], float]) -> Iterator[Chosen]:
    """Yield candidates, over chunks only until PATIENCE of them in a row were no better than the best."""
    best, idle = np.inf, 0
    for candidate in candidates:
        yield candidate
        best, idle = (loss(candidate), 0) if loss(candidate) < best else (best, idle + 1)
        if idle == PATIENCE and isinstance(z, Chunked):
            return


def _moments(parts: tuple[Floats, ...]) -> tuple[Doubles, Doubles]:
    """Return mean [d] and deviation [d] of the rows, in two passes as they are exact so."""
    n = sum(map(len, parts))
    chunks = [(part, rows) for part in parts for rows in slices(*part.shape)]
    with crew() as pool:
        mean = sum(done_by(pool, lambda c: c[0][c[1]].sum(0, dtype=np.float64), chunks, 2 * cores())) / n
        squares = sum(done_by(pool, lambda c: ((c[0][c[1]] - mean) ** 2).sum(0), chunks, 2 * cores()))
    return mean, np.sqrt(squares / n)
