"""What is told of speeds: the table of `zoo bench`, what is to be said below it, and a line for `zoo show`.

What the commands share of what they say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from typing import TYPE_CHECKING, Final

import click

from zoo.bench.bench_result import BATCH_SIZES
from zoo.catalog.backbone import Backbone, ImageSpec, WheelSource

if TYPE_CHECKING:
    from zoo.bench.bench_result import BenchResult, TrunkSpeed
    from zoo.bench.machine import Machine
    from zoo.bench.results_file import MachineResults
    from zoo.catalog.backbone import Backbone


MAX_ROUND_SPREAD: Final = 1.5  # rounds that differ by more were disturbed


JSON_OPTION: Final = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


PROGRESS_OPTION: Final = click.option(
    "--progress",
    type=click.Choice(["auto", "json", "none"]),
    default="auto",
    show_default=True,
    help="How progress is told, on standard error.",
)


UNKNOWN: Final = "unknown"


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


def describe_input(backbone: Backbone) -> str:
    """Return dtype and shape of what a backbone takes."""
    if not isinstance(backbone.takes, ImageSpec):
        return "int32 [n,t]"
    return (
        "uint8 [n,s,s,3]" if backbone.takes.size is None else f"uint8 [n,{backbone.takes.size},{backbone.takes.size},3]"
    )


def format_or_unknown(number: float | None, template: str) -> str:
    """Return a number as `template` writes it ("{:.1f} MB"), or that it is unknown."""
    return UNKNOWN if number is None else template.format(number)


def describe_params(backbone: Backbone) -> str:
    """Return how many parameters a backbone has, or at most about has, or that it is unknown."""
    return format_or_unknown(backbone.params or backbone.ships, "{:,}" if backbone.params else "at most about {:,}")


def license_rows(backbone: Backbone) -> list[tuple[str, str]]:
    """Return what is to be said of the licences, as rows."""
    carrier = (
        [("carrier", f"{backbone.source.package}, {backbone.source.license}")]
        if isinstance(backbone.source, WheelSource)
        else []
    )
    return [
        ("license", backbone.license or UNKNOWN),
        *carrier,
        (
            "restricts",
            backbone.restricts or (UNKNOWN if backbone.license is None else "nothing beyond the licence's notice"),
        ),
    ]


def align_columns(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as columns; nothing is cut off, whatever the terminal's width."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
