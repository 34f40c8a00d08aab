"""How fast a backbone is here: its trunks in turns, round by round, so that whatever disturbs one disturbs all."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import date
from itertools import product
from typing import Final

from zoo.backbone import Backbone, Precision, Tokens
from zoo.bench.child import Child, started
from zoo.bench.speed import BATCHES, Result, Speed, Timing, Weights
from zoo.bench.trunks import Ready
from zoo.cores import cores
from zoo.progress import Progress

_ROUND: Final = 0.25  # seconds that a round takes at least, where one run is quicker

Variant = tuple[int, int]  # batch, threads


def measure(
    backbone: Backbone,
    trunks: Sequence[Ready],
    progress: Progress,
    *,
    weights: Weights = "pretrained",
    rounds: int,
    tokens: int,
) -> Result:
    """Run each of `trunks` at every batch and on one thread and all; the median of `rounds` rounds counts.

    All trunks are loaded at the same time, each in a process of its own, and take turns: one runs, the others wait.

    Raises:
        TrunkError: one cannot be loaded, or its process died.
    """
    length = min(tokens, backbone.takes.max_tokens) if isinstance(backbone.takes, Tokens) else 0
    variants = list(product(BATCHES, sorted({1, cores()})))
    with ExitStack() as stack, progress.bar(f"measuring {backbone.name}", rounds * len(variants) * len(trunks)) as bar:
        children = {
            trunk.precision: stack.enter_context(started(trunk.folder, length, f"{backbone.name} in {trunk.precision}"))
            for trunk in trunks
        }
        runs = {
            (precision, variant): _runs(child, variant) for precision, child in children.items() for variant in variants
        }
        taken: dict[tuple[Precision, Variant], list[float]] = {key: [] for key in runs}
        for _, variant, (precision, child) in product(range(rounds), variants, children.items()):
            taken[precision, variant].append(_milliseconds(child, variant, runs[precision, variant]))
            bar.advance()
        loaded = next(iter(children.values())).loaded
        return Result(
            name=backbone.name,
            weights=weights,
            tokens=loaded["tokens"],
            rounds=rounds,
            when=date.today().isoformat(),
            speeds=tuple(_speed(trunk, children[trunk.precision], taken) for trunk in trunks),
        )


def _runs(child: Child, variant: Variant) -> int:
    """Return how many runs fill a round; the first run is left out of that, it makes room for what it needs."""
    child.seconds(*variant, 1)
    once = child.seconds(*variant, 2) / 2
    return max(1, round(_ROUND / once))


def _milliseconds(child: Child, variant: Variant, runs: int) -> float:
    """Return the milliseconds that one sample takes, in a round."""
    batch, threads = variant
    return child.seconds(batch, threads, runs) * 1e3 / (batch * threads * runs)


def _speed(trunk: Ready, child: Child, taken: Mapping[tuple[Precision, Variant], Sequence[float]]) -> Speed:
    timings = [
        Timing(
            batch=batch,
            threads=threads,
            ms=round(statistics.median(times), 4),
            rounds=tuple(round(time, 4) for time in times),
        )
        for (precision, (batch, threads)), times in taken.items()
        if precision is trunk.precision
    ]
    memory = child.loaded["memory"]
    return Speed(
        precision=trunk.precision,
        megabytes=round(trunk.bytes / 1e6, 2),
        memory=None if memory is None else round(memory / 1e6, 1),
        load_seconds=round(child.loaded["load_seconds"], 3),
        build_seconds=trunk.build_seconds,
        timings=tuple(timings),
    )
