"""Duplicates: exact copies, copies with contradicting labels, near duplicates, and leaks between parts of the split.

Near duplicates are found by the cosine of features less their mean: raw features all point much the same way (the
cosine of two different digits of mnist is up to 0.982). The threshold `NEAR_DUPLICATE_COSINE` was measured with int8
trunks (`python -m benchmarks.doctor near`):

    mnist, digits     of 5,000 and 1,797 drawings, one pair and none reach it
    photographs       all copies reach it that were saved as JPEG again at quality 90, or scaled to 80 % or 200 %; nine
                      of ten of those a tenth brighter; four of ten of those halved in size, or cropped by 2 %
    Reuters R8        of 226 pairs that reach it, nine in ten share more than half of their word triples; seven of ten
                      texts reach it with their own first 90 %

So precision is high and recall is not. Altered copies of drawings of a few pixels are mostly missed, since each pixel
is a large part of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from threadpoolctl import threadpool_limits

from finetune.data.dataset import LabeledSample
from finetune.data.task import Task, find_tag_separator, parse_tags
from finetune.doctor.findings import DuplicateGroup
from finetune.features.memmap_rows import chunk_slices
from graft.progress import Progress
from graft.runtime.cpu_threads import available_cores, map_ordered, thread_pool
from graft.tables.table import parse_number
from graft.types import Float32Array, IndexArray

NEAR_DUPLICATE_COSINE: Final = 0.97  # from which on two samples are near duplicates
MAX_DUPLICATE_GROUP_SIZE: Final = 10  # members of a group of copies; a larger group may be a dense region, or a film
MAX_COMPARED_MEMBERS: Final = 200  # members of a group that its similarity is computed from


def find_near_duplicates(
    x: Float32Array, exact_duplicates: Sequence[DuplicateGroup], progress: Progress
) -> tuple[DuplicateGroup, ...]:
    """Return the groups of near duplicates among features `x` float32 [n,d], the most similar first.

    One sample of each group of `exact_duplicates` is compared, and the others join its group. It takes n²/2 · d
    multiplications; chunks are compared with chunks, so memory is bounded.
    """
    extra_rows = {row for group in exact_duplicates for row in group.rows[1:]}
    rows = np.array([row for row in range(len(x)) if row not in extra_rows], np.intp)
    unit_vectors = _CenteredUnitVectors(x, rows)
    root = np.arange(len(rows))
    chunks = list(chunk_slices(len(rows), x.shape[1]))
    pairs = [(one, other) for at, one in enumerate(chunks) for other in chunks[at:]]
    # One BLAS thread for each pair of chunks, since BLAS calls that share threads wait for each other.
    with threadpool_limits(1, "blas"), progress.bar("near duplicates", len(pairs)) as bar, thread_pool() as pool:
        for a, b in map_ordered(pool, unit_vectors.find_near_pairs, pairs, 2 * available_cores()):
            _merge_groups(root, a, b)
            bar.advance()
    return _build_near_groups(root, rows, unit_vectors, exact_duplicates)


class _CenteredUnitVectors:
    """Features less their mean, scaled to length 1, a chunk at a time."""

    def __init__(self, x: Float32Array, rows: IndexArray) -> None:
        self._x, self._rows = x, rows
        total = sum((x[some].sum(0, dtype=np.float64) for some in chunk_slices(*x.shape)), np.zeros(x.shape[1]))
        self._mean = (total / max(1, len(x))).astype(np.float32)

    def __call__(self, some: slice | IndexArray) -> Float32Array:
        """Return the unit vectors [m,d] of some of the rows."""
        centered = self._x[self._rows[some]] - self._mean
        length = np.linalg.norm(centered, axis=1, keepdims=True)
        unit: Float32Array = centered / np.maximum(length, np.finfo(np.float32).tiny)
        return unit

    def find_near_pairs(self, pair: tuple[slice, slice]) -> tuple[IndexArray, IndexArray]:
        """Return the near duplicates between two chunks as pairs of rows, int [p] each, every pair once."""
        one, other = pair
        near = self(one) @ self(other).T >= NEAR_DUPLICATE_COSINE
        a, b = np.nonzero(np.triu(near, 1) if one is other else near)
        return a + one.start, b + other.start


def _merge_groups(root: IndexArray, a: IndexArray, b: IndexArray) -> None:
    """Merge the groups of each pair `a[i]`, `b[i]` (union-find); `root` int [n] names a group by its first member."""
    while len(a):
        high, low = np.maximum(root[a], root[b]), np.minimum(root[a], root[b])
        differ = high != low
        a, b = a[differ], b[differ]
        np.minimum.at(root, high[differ], low[differ])
        while not np.array_equal(parent := root[root], root):
            root[:] = parent


def _build_near_groups(
    root: IndexArray, rows: IndexArray, unit_vectors: _CenteredUnitVectors, exact_duplicates: Sequence[DuplicateGroup]
) -> tuple[DuplicateGroup, ...]:
    copies = {group.rows[0]: group.rows for group in exact_duplicates}
    members: defaultdict[int, list[int]] = defaultdict(list)
    joined = np.flatnonzero(np.bincount(root, minlength=len(root))[root] > 1)
    for at in joined.tolist():
        members[int(root[at])].append(at)
    groups = []
    for some in members.values():
        unit = unit_vectors(np.array(some[:MAX_COMPARED_MEMBERS]))
        cosines = unit @ unit.T - 2 * np.eye(len(unit), dtype=np.float32)
        all_rows = sorted(row for at in some for row in copies.get(int(rows[at]), (int(rows[at]),)))
        groups.append(DuplicateGroup(tuple(all_rows), float(cosines.max(1).min())))
    return tuple(sorted(groups, key=lambda group: -group.similarity))


def find_exact_duplicates(sha256: Sequence[bytes]) -> tuple[DuplicateGroup, ...]:
    """Return the groups of samples with the same content.

    >>> find_exact_duplicates([b"a", b"b", b"a"])
    (DuplicateGroup(rows=(0, 2), similarity=1.0),)
    """
    rows: defaultdict[bytes, list[int]] = defaultdict(list)
    for row, sha in enumerate(sha256):
        rows[sha].append(row)
    return tuple(DuplicateGroup(tuple(same)) for same in rows.values() if len(same) > 1)


def is_contradiction(group: DuplicateGroup, labels: Sequence[object]) -> bool:
    """Return whether the samples of a group have different `labels`, which are canonical ones."""
    return len({labels[row] for row in group.rows}) > 1


def canonical_labels(task: Task, samples: Sequence[LabeledSample]) -> list[object]:
    """Return labels that are equal where they mean the same: tags in any order, 1.0 and 1. For `embed` all are None."""
    match task:
        case Task.EMBED:
            return [None] * len(samples)
        case Task.TAG:
            separator = find_tag_separator({sample.label for sample in samples})
            return [parse_tags(sample.label, separator) for sample in samples]
        case Task.REGRESS:
            return [parse_number(sample.label) for sample in samples]
        case Task.CLASSIFY:
            return [sample.label for sample in samples]


def find_split_leaks(groups: Iterable[DuplicateGroup], samples: Sequence[LabeledSample]) -> tuple[DuplicateGroup, ...]:
    """Return the groups with samples in more than one part of the data's own split; without a split there are none."""
    return tuple(group for group in groups if len({samples[row].part for row in group.rows}) > 1)
