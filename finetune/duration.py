"""Durations as people write them."""

from __future__ import annotations

import re
from typing import Final

from graft.errors import RecipeError

_UNIT_SECONDS: Final = {"h": 3600, "m": 60, "s": 1}
_DURATION_PATTERN: Final = re.compile(
    r"(?=.)" + "".join(rf"(?:(\d+(?:\.\d+)?)\s*{unit}\s*)?" for unit in _UNIT_SECONDS)
)


def parse_duration(text: str) -> float:
    """Return the seconds that `text` says: "90s", "10m", "1h30m", "1.5h", or a plain number of seconds.

    Raises:
        RecipeError: it is no duration.
    """
    plain = text.strip().lower()
    if re.fullmatch(r"\d+(\.\d+)?", plain):
        return float(plain)
    if not (match := _DURATION_PATTERN.fullmatch(plain)):
        raise RecipeError(f"{text!r} is no duration. Write it like 90s, 10m or 1h30m, or as a number of seconds.")
    return sum(float(number or 0) * unit for number, unit in zip(match.groups(), _UNIT_SECONDS.values(), strict=True))
