"""Durations as people write them."""

from __future__ import annotations

import re
from typing import Final

from zoo.errors import RecipeError

_UNITS: Final = {"h": 3600, "m": 60, "s": 1}
_WRITTEN: Final = re.compile(r"(?=.)" + "".join(rf"(?:(\d+(?:\.\d+)?)\s*{unit}\s*)?" for unit in _UNITS))


def seconds_of(text: str) -> float:
    """Return the seconds that `text` says: "90s", "10m", "1h30m", "1.5h", or a plain number of seconds.

    Raises:
        RecipeError: it is no duration.
    """
    written = text.strip().lower()
    if re.fullmatch(r"\d+(\.\d+)?", written):
        return float(written)
    if not (found := _WRITTEN.fullmatch(written)):
        raise RecipeError(f"{text!r} is no duration. Write it like 90s, 10m or 1h30m, or as a number of seconds.")
    return sum(float(number or 0) * unit for number, unit in zip(found.groups(), _UNITS.values(), strict=True))
