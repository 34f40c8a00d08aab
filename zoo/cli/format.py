"""Text output that the commands share: aligned columns, unknown values, licences, and tables of speed."""

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


MAX_ROUND_SPREAD: Final = 1.5  # rounds that differ by a larger factor were disturbed


JSON_OPTION: Final = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


PROGRESS_OPTION: Final = click.option(
    "--progress",
    type=click.Choice(["auto", "json", "none"]),
    default="auto",
    show_default=True,
    help="Progress on standard error: text, JSON Lines, or none.",
)


UNKNOWN: Final = "unknown"


def speed_table(results: Iterable[BenchResult], cores: int) -> str:
    """Return the table of `zoo bench`: one row for each measured trunk."""
    variants = list(product(BATCH_SIZES, sorted({1, cores})))
    timing_headers = (f"B{batch} T{threads}" for batch, threads in variants)
    header = ("NAME", "WEIGHTS", "PRECISION", *timing_headers, "INT8 GAIN", "MEMORY", "FILE", "BUILD")
    rows = (_speed_row(result, speed, variants) for result in results for speed in result.speeds)
    return align_columns([header, *rows])


def speed_notes(results: Sequence[BenchResult], machine: Machine) -> str:
    """Return the notes below the table: what the columns mean, and which results were disturbed."""
    return "\n".join(_iter_speed_notes(results, machine))


def describe_speed(backbone: Backbone, results: MachineResults) -> str:
    """Return a line on the speed of a backbone on this machine, in each precision."""
    result = results.results.get(backbone.name)
    if result is None:
        return f"not measured; run: zoo bench {backbone.name}"
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
    round_counts = f"{' or '.join(map(str, rounds))} round{'' if rounds == [1] else 's'}"
    yield f"Milliseconds per image{texts}, median of {round_counts} in turns, on {machine}."
    yield "B: batch size. T: parallel runs, one core each. MEMORY: for loading the trunk and one answer."
    if any(result.weights == "random" for result in results):
        yield "RANDOM: random weights; the speed is the same, and the features mean nothing."
    for result in results:
        if (spread := result.max_round_spread()) > MAX_ROUND_SPREAD:
            yield (
                f"note: rounds of {result.name} differ up to {spread:.1f} times: something else was running here. "
                "Measure it again when the machine is idle."
            )


def describe_input(backbone: Backbone) -> str:
    """Return dtype and shape of a backbone's input.

    >>> from zoo import get_backbone
    >>> describe_input(get_backbone("resnet50"))
    'uint8 [n,224,224,3]'
    """
    if not isinstance(backbone.takes, ImageSpec):
        return "int32 [n,t]"
    return (
        "uint8 [n,s,s,3]" if backbone.takes.size is None else f"uint8 [n,{backbone.takes.size},{backbone.takes.size},3]"
    )


def format_or_unknown(number: float | None, template: str) -> str:
    """Return a number in the format `template`, or "unknown" for None.

    >>> format_or_unknown(9.42, "{:.1f} MB"), format_or_unknown(None, "{:.1f} MB")
    ('9.4 MB', 'unknown')
    """
    return UNKNOWN if number is None else template.format(number)


def describe_params(backbone: Backbone) -> str:
    """Return the number of parameters of a backbone, an upper bound, or "unknown"."""
    return format_or_unknown(backbone.params or backbone.ships, "{:,}" if backbone.params else "at most about {:,}")


def license_rows(backbone: Backbone) -> list[tuple[str, str]]:
    """Return rows on the licence of a backbone's weights and its restrictions."""
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
    """Return rows as aligned columns; nothing is cut off, whatever the width of the terminal.

    >>> print(align_columns([("NAME", "SIZE"), ("resnet50", "94.8 MB")]))
    NAME      SIZE
    resnet50  94.8 MB
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
