"""Classes that answers from heads which have not seen the sample cannot tell apart.

How unevenly classes or tags are filled.

Class names that look like two spellings of one.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import numpy as np

from finetune.doctor.findings import ConfusablePair, LabelCounts
from graft.tables.table import parse_number
from graft.types import Float32Array, IndexArray

MAX_CONFUSABLE_AUC: Final = 0.75  # area under the curve below which two classes are twins


MAX_AUC_UPPER_BOUND: Final = 0.9  # and two standard errors more must stay below this: few samples prove nothing


MAX_CONFUSED_PAIRS: Final = 500  # the most confused ones are looked at


MIN_TYPO_LENGTH: Final = 6  # letters from which on a slip of the pen is told from another word


_SEPARATORS = re.compile(r"(?<!\d)[\s_.-]+|[\s_.-]+(?!\d)")


def find_confusable_classes(
    probabilities: Float32Array, y: IndexArray, labels: Sequence[str]
) -> tuple[ConfusablePair, ...]:
    """Return the pairs of classes that probabilities `probabilities` [n,k] cannot tell apart, the worst first; `y` [n] are labels.

    Judged by how they order the samples of two classes, as that does not depend on how many there are of each.
    """
    pairs = [
        one
        for pair in _most_confused_pairs(probabilities, y)
        if (one := _test_confusable_pair(probabilities, y, pair, labels))
    ]
    return tuple(sorted(pairs, key=lambda one: one.auc))


def _most_confused_pairs(probabilities: Float32Array, y: IndexArray) -> Iterator[tuple[int, int, int]]:
    """Yield the pairs of classes that were taken for each other, the most confused first, and how often."""
    k = probabilities.shape[1]
    counts = np.bincount(y * k + probabilities.argmax(1), minlength=k * k).reshape(k, k)
    size = np.maximum(1, counts.sum(1))
    both = np.triu(counts + counts.T, 1)
    rate = both / (size[:, None] + size)
    for at in np.argsort(-rate, axis=None, kind="stable")[:MAX_CONFUSED_PAIRS].tolist():
        one, other = divmod(at, k)
        if both[one, other]:
            yield one, other, int(both[one, other])


def _test_confusable_pair(
    probabilities: Float32Array, y: IndexArray, pair: tuple[int, int, int], labels: Sequence[str]
) -> ConfusablePair | None:
    one, other, confused = pair
    log_odds = np.log(probabilities[:, one] + 1e-12) - np.log(probabilities[:, other] + 1e-12)
    a, b = log_odds[y == one], np.sort(log_odds[y == other])
    below, up_to = np.searchsorted(b, a, "left"), np.searchsorted(b, a, "right")
    auc = float((below + up_to).mean() / (2 * len(b)))
    if auc >= MAX_CONFUSABLE_AUC or auc + 2 * _auc_standard_error(max(auc, 0.5), len(a), len(b)) >= MAX_AUC_UPPER_BOUND:
        return None
    return ConfusablePair((labels[one], labels[other]), auc, confused, len(a) + len(b))


def _auc_standard_error(auc: float, a: int, b: int) -> float:
    """Return the standard error of an area that was measured on `a` and `b` samples (Hanley and McNeil 1982)."""
    q, r = auc / (2 - auc), 2 * auc * auc / (1 + auc)
    spread = auc * (1 - auc) + (a - 1) * (q - auc * auc) + (b - 1) * (r - auc * auc)
    return float(np.sqrt(max(0.0, spread) / (a * b)))


def count_labels(labels: Iterable[str]) -> LabelCounts | None:
    """Return how often each name is among `labels`; None where there is none."""
    counts = Counter(labels)
    return LabelCounts(tuple(sorted(counts.items(), key=lambda one: (-one[1], one[0])))) if counts else None


def find_similar_names(names: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return the pairs of `names` that differ only in case, accents, separators, a plural s or one slip in a long name.

    Names with digits differ by them: "b1" is not "b2".
    """
    pairs: set[tuple[str, str]] = set()
    buckets: defaultdict[str, list[str]] = defaultdict(list)
    for name in sorted(set(names)):
        if parse_number(name) is None:
            for key in _similarity_keys(name):
                buckets[key].append(name)
    for bucket in buckets.values():
        pairs |= {(one, other) for at, one in enumerate(bucket) for other in bucket[at + 1 :]}
    return tuple(sorted(pairs))


def _similarity_keys(name: str) -> set[str]:
    """Return what a name shares with those that look like it: its letters, and these less any one of them."""
    letters = "".join(one for one in unicodedata.normalize("NFKD", name) if not unicodedata.combining(one))
    normalized = _SEPARATORS.sub("", letters.casefold()) or name
    normalized = normalized[:-1] if len(normalized) > 3 and normalized.endswith("s") else normalized
    has_typo_keys = len(normalized) >= MIN_TYPO_LENGTH and not any(map(str.isdigit, normalized))
    return {normalized} | (
        {normalized[:at] + normalized[at + 1 :] for at in range(len(normalized))} if has_typo_keys else set()
    )
