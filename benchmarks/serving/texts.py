"""A sentence of 23 tokens through MiniLM: 32 connections and one, beside bare loops of batches of every size."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial

from benchmarks.serving.bare import Bare
from benchmarks.serving.bench import Bench
from benchmarks.serving.claims import Claim, Data, at_least, medians, none_of, why
from benchmarks.serving.contender import Contender
from benchmarks.serving.ours import FP32, INT8
from benchmarks.serving.throughput import quietest

BATCHES = (1, 4, 8, 16, 32)
MANY = 32


def measure(bench: Bench) -> Data:
    """Return {contender: {concurrency: figures}}."""
    figures: Data = {}
    with ExitStack() as stack:
        bares = {precision: stack.enter_context(bench.bare("text", precision)) for precision in ("fp32", "int8")}
        for contender in (FP32, INT8, *bench.peers):
            if "text" not in contender.workloads:
                continue
            try:
                figures[contender.name] = of(bench, contender, bares[getattr(contender, "precision", "fp32")])
            except (RuntimeError, OSError) as fault:
                figures[contender.name] = {"failed": why(fault)}
                print(f"  {contender.name:24} failed: {fault}", flush=True)
    return figures


def of(bench: Bench, contender: Contender, bare: Bare) -> Data:
    """Measure one contender, all the bare loops before each of its rounds."""
    with bench.served(contender, "text") as port:
        many = quietest(bench.effort.rounds, partial(many_round, bench, contender, bare, port))
        one = quietest(bench.effort.rounds, partial(lone_round, bench, contender, bare, port))
    figures = {str(MANY): medians(many), "1": medians(one)}
    for number, row in figures.items():
        limit = row.get("best_bare", row.get("bare", 0.0))
        print(
            f"  {contender.name:24} {number:>3}  {row['rate']:7.1f}/s  {row['ratio']:.3f} of the bare {limit:.1f}/s"
            f"  p50 {row['p50_ms']:.1f} ms  p99 {row['p99_ms']:.1f} ms  bad {row['bad']:.0f}"
            f"  loop had {row['bare_got']:.0%} of its cores",
            flush=True,
        )
    return figures


def many_round(bench: Bench, contender: Contender, bare: Bare, port: int) -> Data:
    """Run the bare loop with batches of every size, then load the contender with MANY connections."""
    limits = {size: bare.rate(bench.cores, bench.effort.seconds / 2, size) for size in BATCHES}
    best = max(limits.values())
    row = bench.load(contender, "text", port, MANY).summary()
    sizes = {f"bare_{size}": limit for size, limit in limits.items()}
    return row | sizes | {"best_bare": best, "ratio": row["rate"] / best, "bare_got": bare.share_of_cores}


def lone_round(bench: Bench, contender: Contender, bare: Bare, port: int) -> Data:
    """Run the bare loop without batches on one thread, then load the contender with one connection."""
    alone = bare.rate(1, bench.effort.seconds)
    row = bench.load(contender, "text", port, 1).summary()
    return row | {"bare": alone, "ratio": row["rate"] / alone, "bare_got": bare.share_of_cores}


def claims(data: Data) -> list[Claim]:
    """Hold the figures against what is asked."""
    lines = []
    for name in (FP32.name, INT8.name):
        rows = data.get(name, {})
        if failed := rows.get("failed"):
            lines.append(Claim(f"{name} serves texts", "yes", failed, holds=False))
        elif rows:
            what = f"{name}: MiniLM, 23 tokens, {MANY} connections, to the best bare loop of batches"
            lines.append(at_least(what, rows[str(MANY)]["ratio"], 0.8, unit=" ×"))
            what = f"{name}: the same at one connection, to the bare loop without batches"
            lines.append(at_least(what, rows["1"]["ratio"], 0.9, unit=" ×"))
            lines.append(none_of(f"{name}: failed texts", int(sum(row["bad"] for row in rows.values()))))
    return lines
