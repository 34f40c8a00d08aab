"""Standardised features in chunks, looked at by all cores: held where they fit into memory, else made at each look.

Chunks are float32; what comes of them is summed in float64 and in their order, so the number of cores changes
nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np

from finetune.heads.scaler import Doubles, Floats, Scaler, span
from finetune.rows import are_large, slices
from zoo.cores import cores
from zoo.pool import crew, done_by

Chosen = TypeVar("Chosen")
Said = TypeVar("Said")
Chunk = tuple[slice, Callable[[], Floats]]  # which rows, and how to come by them

PATIENCE: Final = 3  # candidates in a row that may be no better before a path ends


@dataclass(frozen=True, slots=True)
class Standardised:
    """Standardised features [n,e] of n samples; of far fewer samples than features in coordinates of their span."""

    shape: tuple[int, int]
    chunks: tuple[Chunk, ...]
    basis: Doubles | None = None  # [d,e], of the span

    @classmethod
    def held(cls, z: Floats, basis: Doubles | None = None) -> Standardised:
        """Return features [n,e] that are there already."""
        chunks = tuple((rows, lambda rows=rows: z[rows]) for rows in slices(*z.shape))
        return cls((len(z), z.shape[1]), chunks, basis)

    def inward(self, weights: Doubles) -> Doubles:
        """Return weights [k,d] of all standardised features as weights [k,e] of these."""
        return weights if self.basis is None else weights @ self.basis

    def outward(self, weights: Doubles) -> Doubles:
        """Return weights [k,e] of these as weights [k,d] of all standardised features."""
        return weights.copy() if self.basis is None else weights @ self.basis.T


def standardised(power: float, *parts: Floats) -> tuple[Scaler, Standardised]:
    """Return the scaler of rows [n,d], all `parts` together, and the rows standardised by it.

    Raises:
        DatasetError: every feature is constant.
    """
    scaler = Scaler.of_moments(*_moments(parts), power)
    made = _made(scaler, parts)
    if are_large(*parts):
        return scaler, made
    whole = _whole(made)
    basis = span(whole)
    return scaler, Standardised.held(whole if basis is None else (whole @ basis).astype(np.float32), basis)


def like(scaler: Scaler, *parts: Floats) -> Standardised:
    """Return rows [n,d], all `parts` together, standardised by a scaler."""
    made = _made(scaler, parts)
    return made if are_large(*parts) else Standardised.held(_whole(made))


def over(z: Standardised, look: Callable[[slice, Floats], Said]) -> Iterator[Said]:
    """Yield what `look` says of the rows of each chunk, in their order."""
    if len(z.chunks) == 1:  # without a pool, that costs more than a look at few samples
        rows, piece = z.chunks[0]
        yield look(rows, piece())
        return
    with crew() as pool:
        yield from done_by(pool, lambda one: look(one[0], one[1]()), z.chunks, 2 * cores())


def logits(z: Standardised, weights: Doubles, bias: Doubles) -> Doubles:
    """Return z @ weights.T + bias, float64 [n,k], of weights [k,e] and bias [k]."""
    turned = weights.T.astype(np.float32)
    return np.concatenate(list(over(z, lambda _, piece: piece @ turned + bias)))


def while_it_helps(candidates: Iterable[Chosen], loss: Callable[[Chosen], float]) -> Iterator[Chosen]:
    """Yield candidates until PATIENCE of them in a row were no better than the best."""
    best, idle = np.inf, 0
    for candidate in candidates:
        yield candidate
        best, idle = (loss(candidate), 0) if loss(candidate) < best else (best, idle + 1)
        if idle == PATIENCE:
            return


def _made(scaler: Scaler, parts: tuple[Floats, ...]) -> Standardised:
    """Return rows that are made at each look."""
    return Standardised((sum(map(len, parts)), len(scaler.scale)), tuple(_chunks(scaler, parts)))


def _whole(z: Standardised) -> Floats:
    return np.concatenate([piece() for _, piece in z.chunks])


def _chunks(scaler: Scaler, parts: tuple[Floats, ...]) -> Iterator[Chunk]:
    mean, scale = scaler.mean.astype(np.float32), (1 / scaler.scale).astype(np.float32)
    every = scaler.kept.all()
    first = 0
    for part in parts:
        for rows in slices(*part.shape):

            def piece(part: Floats = part, rows: slice = rows) -> Floats:
                x = part[rows] if every else part[rows][:, scaler.kept]
                z: Floats = x - mean
                z *= scale
                return z

            yield slice(first + rows.start, first + rows.stop), piece
        first += len(part)


def _moments(parts: tuple[Floats, ...]) -> tuple[Doubles, Doubles]:
    """Return mean [d] and deviation [d] of the rows, in two passes as they are exact so."""
    n = sum(map(len, parts))
    chunks = [(part, rows) for part in parts for rows in slices(*part.shape)]
    with crew() as pool:
        mean = sum(done_by(pool, lambda c: c[0][c[1]].sum(0, dtype=np.float64), chunks, 2 * cores())) / n
        squares = sum(done_by(pool, lambda c: ((c[0][c[1]] - mean) ** 2).sum(0), chunks, 2 * cores()))
    return mean, np.sqrt(squares / n)
