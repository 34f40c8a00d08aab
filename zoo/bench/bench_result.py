"""Benchmark results of a backbone: timings, memory and file sizes, to and from JSON. Imports nothing heavy."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

WeightsKind = Literal["pretrained", "random"]
BATCH_SIZES: Final = (1, 8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Milliseconds per sample in batches of `batch`, with `threads` concurrent runs on one core each."""

    batch: int
    threads: int
    ms: float  # the median of the rounds
    rounds: tuple[float, ...]  # of each round, in order

    def speedup(self, faster: Timing) -> float:
        """Return how many times as fast `faster` is: the median over the rounds, each of which timed both in turn.

        >>> slow = Timing(batch=1, threads=1, ms=4.0, rounds=(4.0, 4.0, 9.0))
        >>> slow.speedup(Timing(batch=1, threads=1, ms=2.0, rounds=(2.0, 1.0, 4.5)))
        2.0
        """
        pairs = zip(self.rounds, faster.rounds, strict=True)
        return statistics.median(slow / fast for slow, fast in pairs)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrunkSpeed:
    """The benchmark of one trunk."""

    precision: str
    megabytes: float  # of the file
    memory: float | None  # megabytes for loading it and one prediction; None if the system does not report it
    load_seconds: float
    build_seconds: float | None  # None if it was built by a version that did not record it
    timings: tuple[Timing, ...]

    def timing(self, batch: int, threads: int) -> Timing | None:
        """Return the timing of a batch size and a number of threads; None if it was not measured."""
        return next((one for one in self.timings if (one.batch, one.threads) == (batch, threads)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchResult:
    """The benchmark of a backbone: its trunks, timed in turn within one run, so that their ratios can be trusted."""

    name: str
    weights: WeightsKind  # random weights are as fast as pretrained ones
    tokens: int | None  # of each text; None for images
    rounds: int
    when: str  # ISO 8601 date
    speeds: tuple[TrunkSpeed, ...]

    def speed(self, precision: str) -> TrunkSpeed | None:
        """Return the benchmark of the trunk in a precision; None if it was not measured."""
        return next((speed for speed in self.speeds if speed.precision == precision), None)

    def int8_speedup(self) -> tuple[float, float] | None:
        """Return how many times as fast int8 is as fp32: the minimum and the maximum over batch sizes and threads."""
        fp32, int8 = self.speed("fp32"), self.speed("int8")
        if fp32 is None or int8 is None:
            return None
        pairs = [(slow, int8.timing(slow.batch, slow.threads)) for slow in fp32.timings]
        ratios = [slow.speedup(fast) for slow, fast in pairs if fast]
        return (min(ratios), max(ratios)) if ratios else None

    def max_round_spread(self) -> float:
        """Return the largest ratio of the slowest to the fastest round of a timing."""
        return max(max(one.rounds) / min(one.rounds) for speed in self.speeds for one in speed.timings)

    def to_dict(self) -> dict[str, Any]:
        """Return the result ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> BenchResult:
        """Return the result that `to_dict` described.

        Raises:
            KeyError, TypeError: `facts` has other fields.
        """
        return cls(**{**facts, "speeds": tuple(_speed_from_dict(speed) for speed in facts["speeds"])})


def _speed_from_dict(facts: Mapping[str, Any]) -> TrunkSpeed:
    timings = (Timing(**{**one, "rounds": tuple(one["rounds"])}) for one in facts["timings"])
    return TrunkSpeed(**{**facts, "timings": tuple(timings)})
