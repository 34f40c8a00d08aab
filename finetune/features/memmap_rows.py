"""Feature matrices larger than memory: float32 [n,d], memory-mapped from a file if large, and read in chunks.

The file is unnamed, so it disappears with the process however that ends; the operating system may drop its pages
under memory pressure and read them again.
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

MAX_BYTES_IN_MEMORY: Final = 32 << 20  # larger features are memory-mapped, and heads are fitted in chunks
CHUNK_BYTES: Final = 4 << 20  # of the rows that are processed together


def should_chunk(*parts: Float32Array) -> bool:
    """Return whether `parts` [n_i,d] together are so large that they should be processed in chunks."""
    return sum(part.nbytes for part in parts) > MAX_BYTES_IN_MEMORY


def allocate_rows(n: int, d: int) -> Float32Array:
    """Return an uninitialised array float32 [n,d], memory-mapped if large."""
    if 4 * n * d <= MAX_BYTES_IN_MEMORY:
        return np.empty((n, d), np.float32)
    folder = cache_root() / "scratch"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            # Reserve the space: on a full disk a write into the map would kill the process with SIGBUS.
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, 4 * n * d)
            return np.memmap(file, np.float32, "r+", shape=(n, d))
    except OSError:  # without disk space the run continues in memory
        return np.empty((n, d), np.float32)


def take_rows(x: Float32Array, rows: NDArray[np.intp]) -> Float32Array:
    """Return a copy of the rows [m] of `x` [n,d], float32 [m,d]; memory-mapped if large."""
    if 4 * len(rows) * x.shape[1] <= MAX_BYTES_IN_MEMORY:
        return x[rows]
    copy = allocate_rows(len(rows), x.shape[1])
    for some in chunk_slices(len(rows), x.shape[1]):
        copy[some] = x[rows[some]]
    return copy


def chunk_slices(n: int, d: int) -> Iterator[slice]:
    """Yield slices that cut n rows of d float32 features into chunks of at most CHUNK_BYTES (at least one row).

    >>> list(chunk_slices(3, CHUNK_BYTES // 8))
    [slice(0, 2, None), slice(2, 3, None)]
    """
    step = max(1, CHUNK_BYTES // (4 * d))
    for start in range(0, n, step):
        yield slice(start, min(start + step, n))
