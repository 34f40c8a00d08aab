"""What is told of speeds: the table of `zoo bench`, what is to be said below it, and a line for `zoo show`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from typing import TYPE_CHECKING, Final

from zoo.bench.speed import BATCHES
from zoo.commands.telling import aligned, known

if TYPE_CHECKING:
    from zoo.backbone import Backbone
    from zoo.bench.here import Here
    from zoo.bench.machine import Machine
    from zoo.bench.speed import Result, Speed

UNREST: Final = 1.5  # rounds that differ by more were disturbed


def table(results: Iterable[Result], cores: int) -> str:
    """Return a row for each trunk that was measured."""
    variants = list(product(BATCHES, sorted({1, cores})))
    heads = (f"B{batch} T{threads}" for batch, threads in variants)
    head = ("NAME", "WEIGHTS", "PRECISION", *heads, "INT8 GAIN", "MEMORY", "FILE", "BUILD")
    rows = (_row(result, speed, variants) for result in results for speed in result.speeds)
    return aligned([head, *rows])


def notes(results: Sequence[Result], machine: Machine) -> str:
    """Return what the numbers are, and what makes them doubtful."""
    return "\n".join(_notes(results, machine))


def speed_told(backbone: Backbone, here: Here) -> str:
    """Say how fast a backbone is here, in each precision."""
    result = here.results.get(backbone.name)
    if result is None:
        return "not measured; `zoo bench` does"
    unit = f"text of {result.tokens} tokens" if result.tokens else "image"
    alone = [(speed.precision, timing.ms) for speed in result.speeds if (timing := speed.timing(1, 1))]
    random = ", with random weights" if result.weights == "random" else ""
    return ", ".join(f"{ms:.2f} ms in {precision}" for precision, ms in alone) + f", for one {unit}{random}"


def _row(result: Result, speed: Speed, variants: Sequence[tuple[int, int]]) -> tuple[str, ...]:
    timings = [speed.timing(batch, threads) for batch, threads in variants]
    gain = result.gain() if speed.precision == "int8" else None
    return (
        result.name,
        "RANDOM" if result.weights == "random" else "real",
        speed.precision,
        *(known(timing.ms if timing else None, "{:.2f}") for timing in timings),
        f"{gain[0]:.2f}-{gain[1]:.2f} x" if gain else "",
        known(speed.memory, "{:.0f} MB"),
        f"{speed.megabytes:.1f} MB",
        known(speed.build_seconds, "{:.0f} s"),
    )


def _notes(results: Sequence[Result], machine: Machine) -> Iterator[str]:
    lengths = sorted({result.tokens for result in results if result.tokens})
    texts = f" or text of {', '.join(map(str, lengths))} tokens" if lengths else ""
    rounds = sorted({result.rounds for result in results})
    many = f"{' or '.join(map(str, rounds))} round{'' if rounds == [1] else 's'}"
    yield f"Milliseconds per image{texts}, median of {many} in turns, on {machine}."
    yield "B: images or texts in a batch. T: runs side by side, one core each. MEMORY: of loading and one answer."
    if any(result.weights == "random" for result in results):
        yield "RANDOM: the weights are random; the work is the same, and the features mean nothing."
    for result in results:
        if (unrest := result.unrest()) > UNREST:
            yield (
                f"note: rounds of {result.name} differ up to {unrest:.1f} times: something else was running here. "
                "Measure it again when the machine is quiet."
            )
