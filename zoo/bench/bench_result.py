"""What is measured of a backbone: plain facts that become JSON and back. Light."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

WeightsKind = Literal["pretrained", "random"]
BATCH_SIZES: Final = (1, 8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Milliseconds for one sample in batches of `batch`, as many runs side by side as `threads`: one core each."""

    batch: int
    threads: int
    ms: float  # the median of the rounds
    rounds: tuple[float, ...]  # each, in the order they were taken

    def speedup(self, faster: Timing) -> float:
        """Return how many times as fast `faster` is, as the median over the rounds: each pair was taken in one go."""
        pairs = zip(self.rounds, faster.rounds, strict=True)
        return statistics.median(slow / fast for slow, fast in pairs)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrunkSpeed:
    """One trunk, measured in a process of its own."""

    precision: str
    megabytes: float  # of the file
    memory: float | None  # megabytes that loading it and one answer took; None where the system does not tell
    load_seconds: float
    build_seconds: float | None  # None where it was built by a Graft that did not record it
    timings: tuple[Timing, ...]

    def timing(self, batch: int, threads: int) -> Timing | None:
        """Return one timing; None where it was not taken."""
        return next((one for one in self.timings if (one.batch, one.threads) == (batch, threads)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchResult:
    """A backbone's trunks, measured in turns within one run, so that their ratios hold."""

    name: str
    weights: WeightsKind  # random ones say nothing of accuracy; the work is the same
    tokens: int | None  # of each text; None for images
    rounds: int
    when: str  # the date, as ISO 8601 has it
    speeds: tuple[TrunkSpeed, ...]

    def speed(self, precision: str) -> TrunkSpeed | None:
        """Return what was measured in a precision; None where it was not."""
        return next((speed for speed in self.speeds if speed.precision == precision), None)

    def int8_speedup(self) -> tuple[float, float] | None:
        """Return how many times as fast int8 is as fp32, the least and the most over all batches and threads."""
        fp32, int8 = self.speed("fp32"), self.speed("int8")
        if fp32 is None or int8 is None:
            return None
        pairs = [(slow, int8.timing(slow.batch, slow.threads)) for slow in fp32.timings]
        ratios = [slow.speedup(fast) for slow, fast in pairs if fast]
        return (min(ratios), max(ratios)) if ratios else None

    def max_round_spread(self) -> float:
        """Return the most that the rounds of one timing differ, as slowest by fastest."""
        return max(max(one.rounds) / min(one.rounds) for speed in self.speeds for one in speed.timings)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> BenchResult:
        """Read what `to_dict` gave.

        Raises:
            KeyError, TypeError: it is something else.
        """
        return cls(**{**facts, "speeds": tuple(_speed_from_dict(speed) for speed in facts["speeds"])})


def _speed_from_dict(facts: Mapping[str, Any]) -> TrunkSpeed:
    timings = (Timing(**{**one, "rounds": tuple(one["rounds"])}) for one in facts["timings"])
    return TrunkSpeed(**{**facts, "timings": tuple(timings)})
