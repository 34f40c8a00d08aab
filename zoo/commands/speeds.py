"""What is told of speeds: the table of `zoo bench`, what is to be said below it, and a line for `zoo show`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from typing import TYPE_CHECKING, Final

from zoo.bench.speed import BATCH_SIZES
from zoo.commands.telling import align_columns, format_or_unknown

if TYPE_CHECKING:
    from zoo.backbone import Backbone
    from zoo.bench.here import MachineResults
    from zoo.bench.machine import Machine
    from zoo.bench.speed import BenchResult, TrunkSpeed

MAX_ROUND_SPREAD: Final = 1.5  # rounds that differ by more were disturbed


def speed_table(results: Iterable[BenchResult], cores: int) -> str:
    """Return a row for each trunk that was measured."""
    variants = list(product(BATCH_SIZES, sorted({1, cores})))
    timing_headers = (f"B{batch} T{threads}" for batch, threads in variants)
    header = ("NAME", "WEIGHTS", "PRECISION", *timing_headers, "INT8 GAIN", "MEMORY", "FILE", "BUILD")
    rows = (_speed_row(result, speed, variants) for result in results for speed in result.speeds)
    return align_columns([header, *rows])


def speed_notes(results: Sequence[BenchResult], machine: Machine) -> str:
    """Return what the numbers are, and what makes them doubtful."""
    return "\n".join(_iter_speed_notes(results, machine))


def describe_speed(backbone: Backbone, results: MachineResults) -> str:
    """Say how fast a backbone is here, in each precision."""
    result = results.results.get(backbone.name)
    if result is None:
        return "not measured; `zoo bench` does"
    unit = f"text of {result.tokens} tokens" if result.tokens else "image"
    single_sample_ms = [(speed.precision, timing.ms) for speed in result.speeds if (timing := speed.timing(1, 1))]
    random = ", with random weights" if result.weights == "random" else ""
    return ", ".join(f"{ms:.2f} ms in {precision}" for precision, ms in single_sample_ms) + f", for one {unit}{random}"


def _speed_row(result: BenchResult, speed: TrunkSpeed, variants: Sequence[tuple[int, int]]) -> tuple[str, ...]:
    timings = [speed.timing(batch, threads) for batch, threads in variants]
    gain = result.int8_speedup() if speed.precision == "int8" else None
    return (
        result.name,
        "RANDOM" if result.weights == "random" else "real",
        speed.precision,
        *(format_or_unknown(timing.ms if timing else None, "{:.2f}") for timing in timings),
        f"{gain[0]:.2f}-{gain[1]:.2f} x" if gain else "",
        format_or_unknown(speed.memory, "{:.0f} MB"),
        f"{speed.megabytes:.1f} MB",
        format_or_unknown(speed.build_seconds, "{:.0f} s"),
    )


def _iter_speed_notes(results: Sequence[BenchResult], machine: Machine) -> Iterator[str]:
    lengths = sorted({result.tokens for result in results if result.tokens})
    texts = f" or text of {', '.join(map(str, lengths))} tokens" if lengths else ""
    rounds = sorted({result.rounds for result in results})
    many = f"{' or '.join(map(str, rounds))} round{'' if rounds == [1] else 's'}"
    yield f"Milliseconds per image{texts}, median of {many} in turns, on {machine}."
    yield "B: images or texts in a batch. T: runs side by side, one core each. MEMORY: of loading and one answer."
    if any(result.weights == "random" for result in results):
        yield "RANDOM: the weights are random; the work is the same, and the features mean nothing."
    for result in results:
        if (spread := result.max_round_spread()) > MAX_ROUND_SPREAD:
            yield (
                f"note: rounds of {result.name} differ up to {spread:.1f} times: something else was running here. "
                "Measure it again when the machine is quiet."
            )
