"""Checks of classes: sizes, names that look like two spellings of one, and pairs that features cannot tell apart."""

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

MAX_CONFUSABLE_AUC: Final = 0.75  # AUC below which two classes are confusable
MAX_AUC_UPPER_BOUND: Final = 0.9  # the AUC plus two standard errors must be below this: few samples prove nothing
MAX_CONFUSED_PAIRS: Final = 500  # the most confused pairs of classes are tested
MIN_TYPO_LENGTH: Final = 6  # letters from which on a difference of one letter is taken for a typo

_SEPARATORS = re.compile(r"(?<!\d)[\s_.-]+|[\s_.-]+(?!\d)")


def find_confusable_classes(
    probabilities: Float32Array, y: IndexArray, labels: Sequence[str]
) -> tuple[ConfusablePair, ...]:
    """Return the pairs of classes that out-of-fold predictions cannot tell apart, the worst first.

    The criterion is the AUC of ordering the samples of the two classes by their log odds: it does not depend on the
    sizes of the classes.

    Args:
        probabilities: out-of-fold, float32 [n,k].
        y: the classes, int [n].
        labels: the names of the k classes.
    """
    pairs = [
        one
        for pair in _most_confused_pairs(probabilities, y)
        if (one := _test_confusable_pair(probabilities, y, pair, labels))
    ]
    return tuple(sorted(pairs, key=lambda one: one.auc))


def _most_confused_pairs(probabilities: Float32Array, y: IndexArray) -> Iterator[tuple[int, int, int]]:
    """Yield pairs of classes with how often one was predicted for the other, the most confused pair first."""
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
    """Return the standard error of an AUC measured on `a` and `b` samples (Hanley and McNeil 1982)."""
    q, r = auc / (2 - auc), 2 * auc * auc / (1 + auc)
    spread = auc * (1 - auc) + (a - 1) * (q - auc * auc) + (b - 1) * (r - auc * auc)
    return float(np.sqrt(max(0.0, spread) / (a * b)))


def count_labels(labels: Iterable[str]) -> LabelCounts | None:
    """Return the count of each label; None without labels."""
    counts = Counter(labels)
    return LabelCounts(tuple(sorted(counts.items(), key=lambda one: (-one[1], one[0])))) if counts else None


def find_similar_names(names: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return the pairs of `names` that differ only in case, accents, separators, a plural s or, if long, one letter.

    Names with different digits are different: "b1" is not "b2".

    >>> find_similar_names(["T-shirt", "t_shirt", "dress"])
    (('T-shirt', 't_shirt'),)
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
    """Return keys that similar names share: the normalised letters, and these with any one letter left out."""
    letters = "".join(one for one in unicodedata.normalize("NFKD", name) if not unicodedata.combining(one))
    normalized = _SEPARATORS.sub("", letters.casefold()) or name
    normalized = normalized[:-1] if len(normalized) > 3 and normalized.endswith("s") else normalized
    has_typo_keys = len(normalized) >= MIN_TYPO_LENGTH and not any(map(str.isdigit, normalized))
    return {normalized} | (
        {normalized[:at] + normalized[at + 1 :] for at in range(len(normalized))} if has_typo_keys else set()
    )
