"""The defaults against configurations set by hand: servers side by side, loaded one after the other, round by round."""

from __future__ import annotations

from contextlib import ExitStack
from statistics import median

from benchmarks.serving.bench import Bench
from benchmarks.serving.claims import Claim, Data, at_least
from benchmarks.serving.contender import Workload
from benchmarks.serving.ours import Graft

BY_HAND = (1, 2, 3, 4)
CASES: tuple[tuple[Workload, str, int], ...] = (("jpeg", "fp32", 8), ("jpeg", "int8", 32), ("text", "fp32", 32))


def measure(bench: Bench) -> Data:
    """Return {case: {configuration: requests a second}}."""
    figures: Data = {}
    for workload, precision, connections in CASES:
        servers = {"defaults": Graft("defaults", precision)}
        for number in BY_HAND:
            name = f"--workers {number}"
            servers[name] = Graft(name, precision, environment={"GRAFT_WORKERS": str(number)})
        rates: dict[str, list[float]] = {name: [] for name in servers}
        with ExitStack() as stack:
            ports = {name: stack.enter_context(bench.served(server, workload)) for name, server in servers.items()}
            for _ in range(bench.effort.rounds):
                for name, server in servers.items():
                    outcome = bench.load(server, workload, ports[name], connections)
                    rates[name].append(outcome.rate if not outcome.bad else 0.0)
        case = f"{workload}, {precision}, {connections} connections"
        figures[case] = {name: median(of) for name, of in rates.items()}
        # Round by round, so that what else the machine did hits both.
        figures[case]["ratios"] = {
            name: median(ours / theirs for ours, theirs in zip(rates["defaults"], of, strict=True) if theirs)
            for name, of in rates.items()
            if name != "defaults" and any(of)
        }
        print(f"  {case}: " + "  ".join(f"{name} {median(of):.1f}/s" for name, of in rates.items()), flush=True)
    return figures


def claims(data: Data) -> list[Claim]:
    """Hold the figures against what is asked."""
    lines = []
    for case, row in data.items():
        name, ratio = min(row["ratios"].items(), key=lambda item: item[1])
        lines.append(at_least(f"defaults to the best set by hand ({name}): {case}", ratio, 0.95, unit=" ×"))
    return lines
