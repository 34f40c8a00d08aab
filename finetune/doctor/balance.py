"""How unevenly classes or tags are filled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from finetune.balance import UNEVEN
from finetune.doctor.findings import Balance


def balance(names: Iterable[str]) -> Balance | None:
    """Return how often each name is among `names`; None where there is none."""
    counts = Counter(names)
    return Balance(tuple(sorted(counts.items(), key=lambda one: (-one[1], one[0])))) if counts else None


def uneven(found: Balance | None) -> bool:
    """Say whether classes are so uneven that training tries whether rare ones should count more."""
    return found is not None and found.ratio > UNEVEN
