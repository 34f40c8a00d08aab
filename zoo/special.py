"""The special tokens around a text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class SpecialTokens:
    """The ids that frame a text: `start` text `end`, and `pad` behind the shorter ones of a batch.

    Without a `start` a text begins with its own first token, as T5's do.
    """

    start: int | None
    end: int
    pad: int

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> SpecialTokens:
        """Read what a spec has."""
        start, *others = (spec[name] for name in ("start", "end", "pad"))
        return cls(None if start is None else int(start), *map(int, others))

    @property
    def prefix(self) -> tuple[int, ...]:
        """The ids before a text: one or none."""
        return () if self.start is None else (self.start,)
