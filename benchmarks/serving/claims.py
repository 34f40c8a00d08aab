"""What a figure must reach, and whether it does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

Data = dict[str, Any]


@dataclass(frozen=True)
class Claim:
    """One line of the table."""

    what: str
    must: str
    measured: str
    holds: bool


def at_least(what: str, value: float, minimum: float, form: str = ".2f", unit: str = "") -> Claim:
    """Claim that a value is at least something."""
    return Claim(what, f"≥ {minimum:{form}}{unit}", f"{value:{form}}{unit}", value >= minimum)


def at_most(what: str, value: float, maximum: float, form: str = ".2f", unit: str = "") -> Claim:
    """Claim that a value is at most something."""
    return Claim(what, f"≤ {maximum:{form}}{unit}", f"{value:{form}}{unit}", value <= maximum)


def none_of(what: str, count: int, of: str = "") -> Claim:
    """Claim that something never happened."""
    return Claim(what, "0", f"{count:,}{of}", count == 0)


def medians(rows: list[Mapping[str, float]]) -> dict[str, float]:
    """Return the median of every figure over rounds; of failures the sum."""
    return {name: (sum if name == "bad" else median)(row[name] for row in rows) for name in rows[0]}


def why(fault: Exception) -> str:
    """Return the first line of what went wrong, without the folders of this machine."""
    first = (str(fault) or type(fault).__name__).splitlines()[0]
    return re.sub(r"(?:/[\w.+-]+)+/([\w.+-]+)", r"…/\1", first)
