"""Class names that look like two spellings of one."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from zoo.table.sheet import as_number

LONG: Final = 6  # letters from which on a slip of the pen is told from another word
_BETWEEN = re.compile(r"(?<!\d)[\s_.-]+|[\s_.-]+(?!\d)")


def alike(names: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return the pairs of `names` that differ only in case, accents, separators, a plural s or one slip in a long name.

    Names with digits differ by them: "b1" is not "b2".
    """
    found: set[tuple[str, str]] = set()
    buckets: defaultdict[str, list[str]] = defaultdict(list)
    for name in sorted(set(names)):
        if as_number(name) is None:
            for key in _keys(name):
                buckets[key].append(name)
    for same in buckets.values():
        found |= {(one, other) for at, one in enumerate(same) for other in same[at + 1 :]}
    return tuple(sorted(found))


def _keys(name: str) -> set[str]:
    """Return what a name shares with those that look like it: its letters, and these less any one of them."""
    letters = "".join(one for one in unicodedata.normalize("NFKD", name) if not unicodedata.combining(one))
    plain = _BETWEEN.sub("", letters.casefold()) or name
    plain = plain[:-1] if len(plain) > 3 and plain.endswith("s") else plain
    slips = len(plain) >= LONG and not any(map(str.isdigit, plain))
    return {plain} | ({plain[:at] + plain[at + 1 :] for at in range(len(plain))} if slips else set())
