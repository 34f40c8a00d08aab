"""JPEG to labels over HTTP: each contender in turn with the bare loop, in one run, at concurrency 1, 8 and 32.

Every contender has the loop beside it, so two that ran minutes apart are compared by their ratios to it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from statistics import median

from benchmarks.serving.bare import Bare
from benchmarks.serving.bench import Bench
from benchmarks.serving.claims import Claim, Data, at_least, at_most, medians, none_of, why
from benchmarks.serving.contender import Contender, Workload
from benchmarks.serving.ours import FP32, INT8

TOGETHER = (1, 8, 32)
QUIET = 0.95  # of the cores that the bare loop must have had


def measure(bench: Bench) -> Data:
    """Return {contender: {concurrency: figures}}."""
    figures: Data = {}
    with ExitStack() as stack:
        bares = {precision: stack.enter_context(bench.bare("jpeg", precision)) for precision in ("fp32", "int8")}
        for contender in (FP32, INT8, *bench.peers):
            if "jpeg" in contender.workloads:
                figures[contender.name] = block(bench, contender, "jpeg", bares, TOGETHER)
    return figures


def block(
    bench: Bench, contender: Contender, workload: Workload, bares: dict[str, Bare], together: tuple[int, ...]
) -> Data:
    """Measure one contender, a round of each bare loop before every round of it; {"failed": why} where it cannot."""
    figures: Data = {}
    try:
        with bench.served(contender, workload) as port:
            for connections in together:
                once = partial(one_round, bench, contender, workload, bares, port, connections)
                rows = quietest(bench.effort.rounds, once)
                ratios = [row["ratio"] for row in rows]
                figures[str(connections)] = medians(rows) | {"ratio_low": min(ratios), "ratio_high": max(ratios)}
                print(f"  {contender.name:24} {connections:3}  {format_figures(figures[str(connections)])}", flush=True)
    except (RuntimeError, OSError) as fault:
        print(f"  {contender.name:24} failed: {fault}", flush=True)
        return {"failed": why(fault)}
    return figures


def one_round(
    bench: Bench, contender: Contender, workload: Workload, bares: dict[str, Bare], port: int, connections: int
) -> Data:
    """Run each bare loop that a contender is held against, then load the contender."""
    own = getattr(contender, "precision", "fp32")
    threads, seconds = min(connections, bench.cores), bench.effort.seconds
    limits = {name: bares[name].rate(threads, seconds) for name in sorted({"fp32", own})}
    row = bench.load(contender, workload, port, connections).summary()
    row |= {"bare": limits[own], "ratio": row["rate"] / limits[own], "to_fp32": row["rate"] / limits["fp32"]}
    got = min(bares[name].share_of_cores for name in limits)
    return row | {"p50_to_bare": row["p50_ms"] / 1e3 * limits[own], "bare_got": got}


def quietest(rounds: int, once: Callable[[], Data]) -> list[Data]:
    """Return that many rounds; one in which the bare loop did not get its cores is measured again if others can be had.

    Whether a round counts is decided by the loop's share of the cores alone, never by a speed.
    """
    rows: list[Data] = []
    while len(rows) < 2 * rounds and sum(row["bare_got"] >= QUIET for row in rows) < rounds:
        rows.append(once())
    return sorted(rows, key=lambda row: row["bare_got"] < QUIET)[:rounds]


def format_figures(row: Data) -> str:
    """Return one line of figures."""
    return (
        f"{row['rate']:7.1f}/s  {row['ratio']:.3f} of the bare {row['bare']:.1f}/s  p50 {row['p50_ms']:.1f} ms"
        f"  p99 {row['p99_ms']:.1f} ms  bad {row['bad']:.0f}  generator {row['generator_us']:.0f} us"
        f"  loop had {row['bare_got']:.0%} of its cores"
    )


def claims(data: Data) -> list[Claim]:
    """Hold the figures against what is asked."""
    lines = []
    for name in (FP32.name, INT8.name):
        if not (rows := data.get(name)):
            continue
        if failed := rows.get("failed"):
            lines.append(Claim(f"{name} serves", "yes", failed, holds=False))
            continue
        for number in ("8", "32"):
            if row := rows.get(number):
                lines += [
                    at_least(f"{name}: JPEG, {number} connections, to the bare loop", row["ratio"], 0.90, unit=" ×"),
                    at_most(f"{name}: {number} connections, p99 to p50", row["p99_ms"] / row["p50_ms"], 3, unit=" ×"),
                ]
        if row := rows.get("1"):
            what = f"{name}: one connection, p50 to the bare loop's time for one"
            lines.append(at_most(what, row["p50_to_bare"], 1.15, unit=" ×"))
        lines.append(none_of(f"{name}: failed requests", int(sum(row["bad"] for row in rows.values()))))
    if best := best_peer(data, ("8", "32")):
        peer, value = best
        for name, minimum in ((FP32.name, 1.4), (INT8.name, 2.3)):
            if "8" in data.get(name, {}):
                ours = median(data[name][number]["to_fp32"] for number in ("8", "32"))
                lines.append(at_least(f"{name} to the best peer ({peer})", ours / value, minimum, unit=" ×"))
    return lines


def best_peer(data: Data, numbers: tuple[str, ...]) -> tuple[str, float] | None:
    """Return the fastest peer without a failed request, and its median ratio to the bare loop."""
    peers = {
        name: median(rows[number]["to_fp32"] for number in numbers)
        for name, rows in data.items()
        if not name.startswith("Graft") and all(number in rows and not rows[number]["bad"] for number in numbers)
    }
    return max(peers.items(), key=lambda item: item[1], default=None)
