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

from zoo.files import cache_root

Floats = NDArray[np.float32]

LARGE: Final = 32 << 20  # bytes of features from which on they lie in a file, and heads are fitted chunk by chunk
CHUNK: Final = 4 << 20  # bytes of the rows that are looked at together


def are_large(*parts: Floats) -> bool:
    """Say whether rows, all `parts` together, are to be looked at a chunk at a time."""
    return sum(part.nbytes for part in parts) > LARGE


def room(n: int, d: int) -> Floats:
    """Return room for n rows of d features, float32 [n,d]; what is in it is not defined."""
    if 4 * n * d <= LARGE:
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


def take(x: Floats, rows: NDArray[np.intp]) -> Floats:
    """Return a copy of some rows [m] of `x`, float32 [m,d]."""
    if 4 * len(rows) * x.shape[1] <= LARGE:
        return x[rows]
    taken = room(len(rows), x.shape[1])
    for some in slices(len(rows), x.shape[1]):
        taken[some] = x[rows[some]]
    return taken


def slices(n: int, d: int) -> Iterator[slice]:
    """Cut n rows of d features into chunks."""
    step = max(1, CHUNK // (4 * d))
    for start in range(0, n, step):
        yield slice(start, min(start + step, n))
