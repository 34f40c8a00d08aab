"""Measure the server, ours and with PEERS others; the rows are the modules beside this one.

    python -m benchmarks.serving [--rows throughput,starts,…] [--quick] [--rounds N] [--seconds S] [--out FOLDER]
    PEERS=mosec,fastapi python -m benchmarks.serving      each with its variants; PEERS=all
    python -m benchmarks.serving.peers                    makes the peers' environments first

What was measured is merged into results.json row by row; table.md and chart.svg are made from that. Every ratio
is of one run on one machine: loop and server take turns, and the load generator runs on the same cores (its share
is told). Seeds are 0; a session of ONNX Runtime has one thread, the loops have as many threads as cores.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks.serving import report
from benchmarks.serving.bench import FULL, QUICK, Bench, chosen_peers

OUT = Path(__file__).parents[2] / "docs" / "serving"


def main() -> None:
    """Measure the rows that were asked for, and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default=",".join(report.ROWS), help="which rows, with commas")
    parser.add_argument("--quick", action="store_true", help="short rounds: to see that all of it works")
    parser.add_argument("--rounds", type=int, help="of loop and server in turn  [default: 5]")
    parser.add_argument("--seconds", type=float, help="of one round  [default: 3]")
    parser.add_argument("--out", type=Path, help="where results.json is  [default: docs/serving; with --quick nowhere]")
    options = parser.parse_args()
    rows = options.rows.split(",")
    if unknown := set(rows) - report.ROWS.keys():
        parser.error(f"there is no row {', '.join(sorted(unknown))}; there are {', '.join(report.ROWS)}")
    peers = chosen_peers()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that every server is ended first
    with tempfile.TemporaryDirectory(prefix="graft-bench-") as scratch:
        out = options.out or (Path(scratch, "out") if options.quick else OUT)
        overrides = {name: value for name in ("rounds", "seconds") if (value := getattr(options, name))}
        bench = Bench(Path(scratch), replace(QUICK if options.quick else FULL, **overrides), peers)
        measurements = {}
        for row in rows:
            print(f"{row}:", flush=True)
            try:
                data = report.ROWS[row].measure(bench)
            except (RuntimeError, OSError, AssertionError) as fault:  # the other rows are worth having
                print(f"  failed: {fault}", flush=True)
                continue
            measurements = report.merged(out / "results.json", row, data, bench.effort.description)
            report.write(measurements, out)
        if measurements:
            print(f"\n{report.readable(report.claims(measurements))}")


if __name__ == "__main__":
    main()
