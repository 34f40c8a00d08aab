"""Classes that answers from heads which have not seen the sample cannot tell apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from finetune.doctor.findings import Twins

Floats = NDArray[np.float32]
Labels = NDArray[np.intp]

BLURRED: Final = 0.75  # area under the curve below which two classes are twins
SURELY: Final = 0.9  # and two standard errors more must stay below this: few samples prove nothing
PAIRS: Final = 500  # the most confused ones are looked at


def twins(p: Floats, y: Labels, labels: Sequence[str]) -> tuple[Twins, ...]:
    """Return the pairs of classes that probabilities `p` [n,k] cannot tell apart, the worst first; `y` [n] are labels.

    Judged by how they order the samples of two classes, as that does not depend on how many there are of each.
    """
    found = [one for pair in _confused(p, y) if (one := _judged(p, y, pair, labels))]
    return tuple(sorted(found, key=lambda one: one.auc))


def _confused(p: Floats, y: Labels) -> Iterator[tuple[int, int, int]]:
    """Yield the pairs of classes that were taken for each other, the most confused first, and how often."""
    k = p.shape[1]
    counts = np.bincount(y * k + p.argmax(1), minlength=k * k).reshape(k, k)
    size = np.maximum(1, counts.sum(1))
    both = np.triu(counts + counts.T, 1)
    rate = both / (size[:, None] + size)
    for at in np.argsort(-rate, axis=None, kind="stable")[:PAIRS].tolist():
        one, other = divmod(at, k)
        if both[one, other]:
            yield one, other, int(both[one, other])


def _judged(p: Floats, y: Labels, pair: tuple[int, int, int], labels: Sequence[str]) -> Twins | None:
    one, other, confused = pair
    leaning = np.log(p[:, one] + 1e-12) - np.log(p[:, other] + 1e-12)
    a, b = leaning[y == one], np.sort(leaning[y == other])
    below, up_to = np.searchsorted(b, a, "left"), np.searchsorted(b, a, "right")
    auc = float((below + up_to).mean() / (2 * len(b)))
    if auc >= BLURRED or auc + 2 * _error(max(auc, 0.5), len(a), len(b)) >= SURELY:
        return None
    return Twins((labels[one], labels[other]), auc, confused, len(a) + len(b))


def _error(auc: float, a: int, b: int) -> float:
    """Return the standard error of an area that was measured on `a` and `b` samples (Hanley and McNeil 1982)."""
    q, r = auc / (2 - auc), 2 * auc * auc / (1 + auc)
    spread = auc * (1 - auc) + (a - 1) * (q - auc * auc) + (b - 1) * (r - auc * auc)
    return float(np.sqrt(max(0.0, spread) / (a * b)))
