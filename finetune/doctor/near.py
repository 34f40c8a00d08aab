"""Near duplicates: samples whose features point the same way, seen from the middle of the data.

The cosine is taken of features less their mean: raw ones all point much the same way (of two different digits of
mnist up to 0.982). NEAR was chosen by measuring, int8 trunks (`python -m benchmarks.doctor near`):

    mnist, digits     of 5,000 and 1,797 drawings one pair and none reach it
    photographs       all copies do that were saved as JPEG again at quality 90, or scaled to 80 % or 200 %; nine
                      of ten made a tenth brighter; four of ten halved, or cropped by 2 %
    Reuters R8        of 226 pairs that reach it nine in ten share more than half of their word triples; seven of
                      ten texts do with their own first 90 %

So what it names is nearly the same, but not all that is nearly the same is named. Of drawings of a few pixels
altered copies are mostly missed: there, a pixel is much.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from finetune.doctor.findings import DuplicateGroup
from finetune.rows import chunk_slices
from zoo.cores import available_cores
from zoo.pool import map_ordered, thread_pool
from zoo.progress import Progress

Float32Array = NDArray[np.float32]
IndexArray = NDArray[np.intp]

NEAR_DUPLICATE_COSINE: Final = 0.97  # cosine from which on two samples are near duplicates
MAX_DUPLICATE_GROUP_SIZE: Final = (
    10  # members up to which a group is taken for copies of one thing; more may be a dense place, or a film
)
MAX_COMPARED_MEMBERS: Final = 200  # members of a group whose likeness is told


def find_near_duplicates(
    x: Float32Array, exact_duplicates: Sequence[DuplicateGroup], progress: Progress
) -> tuple[DuplicateGroup, ...]:
    """Return the groups of near duplicates among features float32 [n,d], the most alike first.

    Of exact `exact_duplicates` one is compared, and the others follow it. Memory is bounded: a chunk is compared with a chunk,
    n²/2 · d multiplications in all.
    """
    extra_rows = {row for group in exact_duplicates for row in group.rows[1:]}
    rows = np.array([row for row in range(len(x)) if row not in extra_rows], np.intp)
    unit_vectors = _CenteredUnitVectors(x, rows)
    root = np.arange(len(rows))
    chunks = list(chunk_slices(len(rows), x.shape[1]))
    pairs = [(one, other) for at, one in enumerate(chunks) for other in chunks[at:]]
    # A thread of BLAS for each pair of chunks: two that share one wait for each other.
    with threadpool_limits(1, "blas"), progress.bar("near duplicates", len(pairs)) as bar, thread_pool() as pool:
        for a, b in map_ordered(pool, unit_vectors.find_near_pairs, pairs, 2 * available_cores()):
            _merge_groups(root, a, b)
            bar.advance()
    return _build_near_groups(root, rows, unit_vectors, exact_duplicates)


class _CenteredUnitVectors:
    """Features less their mean, at length 1, a chunk at a time."""

    def __init__(self, x: Float32Array, rows: IndexArray) -> None:
        self._x, self._rows = x, rows
        total = sum((x[some].sum(0, dtype=np.float64) for some in chunk_slices(*x.shape)), np.zeros(x.shape[1]))
        self._mean = (total / max(1, len(x))).astype(np.float32)

    def __call__(self, which: slice | IndexArray) -> Float32Array:
        """Return the directions [m,d] of some of the rows."""
        away = self._x[self._rows[which]] - self._mean
        length = np.linalg.norm(away, axis=1, keepdims=True)
        unit: Float32Array = away / np.maximum(length, np.finfo(np.float32).tiny)
        return unit

    def find_near_pairs(self, pair: tuple[slice, slice]) -> tuple[IndexArray, IndexArray]:
        """Return the near duplicates between two chunks, each pair once."""
        one, other = pair
        near = self(one) @ self(other).T >= NEAR_DUPLICATE_COSINE
        a, b = np.nonzero(np.triu(near, 1) if one is other else near)
        return a + one.start, b + other.start


def _merge_groups(root: IndexArray, a: IndexArray, b: IndexArray) -> None:
    """Make one group of each pair's groups; `root` [n] names a group by its first member."""
    while len(a):
        high, low = np.maximum(root[a], root[b]), np.minimum(root[a], root[b])
        apart = high != low
        a, b = a[apart], b[apart]
        np.minimum.at(root, high[apart], low[apart])
        while not np.array_equal(above := root[root], root):
            root[:] = above


def _build_near_groups(
    root: IndexArray, rows: IndexArray, unit_vectors: _CenteredUnitVectors, exact_duplicates: Sequence[DuplicateGroup]
) -> tuple[DuplicateGroup, ...]:
    more = {group.rows[0]: group.rows for group in exact_duplicates}
    members: defaultdict[int, list[int]] = defaultdict(list)
    joined = np.flatnonzero(np.bincount(root, minlength=len(root))[root] > 1)
    for at in joined.tolist():
        members[int(root[at])].append(at)
    groups = []
    for some in members.values():
        unit = unit_vectors(np.array(some[:MAX_COMPARED_MEMBERS]))
        cosines = unit @ unit.T - 2 * np.eye(len(unit), dtype=np.float32)
        whole = sorted(row for at in some for row in more.get(int(rows[at]), (int(rows[at]),)))
        groups.append(DuplicateGroup(tuple(whole), float(cosines.max(1).min())))
    return tuple(sorted(groups, key=lambda group: -group.similarity))
