"""Rows of features: in memory, or in a file of the cache's disk where they are many.

Either way they are an array float32 [n,d]. The file has no name and so is gone with the process, however that
ends; its pages are the system's to drop and to read again, so that they crowd nobody out.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from graft.storage.cache_root import cache_root
from graft.types import Float32Array

MAX_BYTES_IN_MEMORY: Final = (
    32 << 20
)  # bytes of features from which on they lie in a file, and heads are fitted chunk by chunk
CHUNK_BYTES: Final = 4 << 20  # bytes of the rows that are looked at together


def should_chunk(*parts: Float32Array) -> bool:
    """Say whether rows, all `parts` together, are to be looked at a chunk at a time."""
    return sum(part.nbytes for part in parts) > MAX_BYTES_IN_MEMORY


def allocate_rows(n: int, d: int) -> Float32Array:
    """Return room for n rows of d features, float32 [n,d]; what is in it is not defined."""
    if 4 * n * d <= MAX_BYTES_IN_MEMORY:
        return np.empty((n, d), np.float32)
    folder = cache_root() / "scratch"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            # Where the disk fills up later, a write into the map would kill the process without a word.
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, 4 * n * d)
            return np.memmap(file, np.float32, "r+", shape=(n, d))
    except OSError:  # without a place to write the run goes on, as it does without the feature cache
        return np.empty((n, d), np.float32)


def take_rows(x: Float32Array, rows: NDArray[np.intp]) -> Float32Array:
    """Return a copy of some rows [m] of `x`, float32 [m,d]."""
    if 4 * len(rows) * x.shape[1] <= MAX_BYTES_IN_MEMORY:
        return x[rows]
    copy = allocate_rows(len(rows), x.shape[1])
    for some in chunk_slices(len(rows), x.shape[1]):
        copy[some] = x[rows[some]]
    return copy


def chunk_slices(n: int, d: int) -> Iterator[slice]:
    """Cut n rows of d features into chunks."""
    step = max(1, CHUNK_BYTES // (4 * d))
    for start in range(0, n, step):
        yield slice(start, min(start + step, n))
