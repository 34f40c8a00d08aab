"""How good each depth is on 5,000 digits: the real command on `sample:mnist`, by seed.

    python -m benchmarks.mnist [--depths probe auto] [--seeds 0 1 2] [--budget 10m]

Split 60/20/20 by seed; everything is chosen on the validation part, the test part (1,000 digits) is looked at once, by
the command. `auto` has its budget of wall time on all cores. Told are test accuracy and calibration error, 15 bins.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from statistics import mean
from typing import Any


def run(depth: str, seed: int, budget: str, models: str) -> tuple[dict[str, Any], float]:
    """Return what the command says, and its wall time in s."""
    words = ["sample:mnist", "--depth", depth, "--seed", str(seed), "--models", models, "--json"]
    words += ["--budget", budget] if depth == "auto" else []
    start = time.perf_counter()
    process = subprocess.run(
        [sys.executable, "-m", "finetune.cli.main", *words], stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(process.stdout), time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description="Accuracy on sample:mnist by depth and seed.")
    parser.add_argument("--depths", nargs="+", default=["probe", "auto"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--budget", default="10m")
    options = parser.parse_args()
    for depth in options.depths:
        scores = []
        for seed in options.seeds:
            with tempfile.TemporaryDirectory() as models:
                result, seconds = run(depth, seed, options.budget, models)
            metrics = result["metrics"]
            scores.append(metrics["accuracy"])
            print(
                f"{depth:6} seed {seed}: accuracy {metrics['accuracy']:.2%}, calibration error {metrics['ece']:.4f}, "
                f"{result['depth']} in {result['precision']}, {seconds:.0f} s",
                flush=True,
            )
        print(f"{depth:6} mean of {len(scores)}: {mean(scores):.2%}", flush=True)


if __name__ == "__main__":
    main()
