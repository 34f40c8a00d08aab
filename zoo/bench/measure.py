"""Time the trunks of a backbone in turn, round by round, so that other load on the machine affects all alike."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import date
from itertools import product
from typing import Final

from graft.progress import Progress
from graft.runtime.cpu_threads import available_cores
from zoo.bench.bench_result import BATCH_SIZES, BenchResult, Timing, TrunkSpeed, WeightsKind
from zoo.bench.candidates import BenchCandidate
from zoo.bench.child_process import BenchProcess, start_bench_process
from zoo.catalog.backbone import Backbone, Precision, TextSpec

_MIN_ROUND_SECONDS: Final = 0.25  # fast runs are repeated until a round takes as long

BenchVariant = tuple[int, int]  # batch, threads


def measure_backbone(
    backbone: Backbone,
    trunks: Sequence[BenchCandidate],
    progress: Progress,
    *,
    weights: WeightsKind = "pretrained",
    rounds: int,
    tokens: int,
) -> BenchResult:
    """Time `trunks` at every batch size, on one thread and on all cores, and return the medians of `rounds` rounds.

    All trunks are loaded at the same time, each in a child process, and take turns: one runs while the others wait.
    Texts have `tokens` tokens, or as many as the encoder takes.

    Raises:
        TrunkError: a trunk cannot be loaded, or its process died.
    """
    token_count = min(tokens, backbone.takes.max_tokens) if isinstance(backbone.takes, TextSpec) else 0
    variants = list(product(BATCH_SIZES, sorted({1, available_cores()})))
    with ExitStack() as stack, progress.bar(f"measuring {backbone.name}", rounds * len(variants) * len(trunks)) as bar:
        children = {
            trunk.precision: stack.enter_context(
                start_bench_process(trunk.folder, token_count, f"{backbone.name} in {trunk.precision}")
            )
            for trunk in trunks
        }
        runs = {
            (precision, variant): _runs_per_round(child, variant)
            for precision, child in children.items()
            for variant in variants
        }
        samples_ms: dict[tuple[Precision, BenchVariant], list[float]] = {key: [] for key in runs}
        for _, variant, (precision, child) in product(range(rounds), variants, children.items()):
            samples_ms[precision, variant].append(_ms_per_sample(child, variant, runs[precision, variant]))
            bar.advance()
        loaded = next(iter(children.values())).load_report
        return BenchResult(
            name=backbone.name,
            weights=weights,
            tokens=loaded["tokens"],
            rounds=rounds,
            when=date.today().isoformat(),
            speeds=tuple(_summarize(trunk, children[trunk.precision], samples_ms) for trunk in trunks),
        )


def _runs_per_round(child: BenchProcess, variant: BenchVariant) -> int:
    """Return how many runs fill a round; a warm-up run, which allocates memory, is not counted."""
    child.time_runs(*variant, 1)
    once = child.time_runs(*variant, 2) / 2
    return max(1, round(_MIN_ROUND_SECONDS / once))


def _ms_per_sample(child: BenchProcess, variant: BenchVariant, runs: int) -> float:
    """Return the milliseconds per sample in one round."""
    batch, threads = variant
    return child.time_runs(batch, threads, runs) * 1e3 / (batch * threads * runs)


def _summarize(
    trunk: BenchCandidate, child: BenchProcess, samples_ms: Mapping[tuple[Precision, BenchVariant], Sequence[float]]
) -> TrunkSpeed:
    timings = [
        Timing(
            batch=batch,
            threads=threads,
            ms=round(statistics.median(times), 4),
            rounds=tuple(round(time, 4) for time in times),
        )
        for (precision, (batch, threads)), times in samples_ms.items()
        if precision is trunk.precision
    ]
    memory = child.load_report["memory"]
    return TrunkSpeed(
        precision=trunk.precision,
        megabytes=round(trunk.bytes / 1e6, 2),
        memory=None if memory is None else round(memory / 1e6, 1),
        load_seconds=round(child.load_report["load_seconds"], 3),
        build_seconds=trunk.build_seconds,
        timings=tuple(timings),
    )
