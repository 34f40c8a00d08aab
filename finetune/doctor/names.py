"""Class names that look like two spellings of one."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from zoo.table.sheet import parse_number

MIN_TYPO_LENGTH: Final = 6  # letters from which on a slip of the pen is told from another word
_SEPARATORS = re.compile(r"(?<!\d)[\s_.-]+|[\s_.-]+(?!\d)")


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
