"""How good and how fast the probe is: accuracy on digits over five seeds, wall time on 311 JPEGs.

    python -m benchmarks.finetune

Trunks are built first where the cache lacks them; the runs that are timed start from an empty feature
cache and a cached trunk. Split 60/20/20, stratified; everything is chosen on the validation part.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.crops import make_crops
from benchmarks.scratch import scratch
from graft.storage.cache_root import cache_root

SEEDS = range(5)
PRECISIONS = ("fp32", "int8")


def finetune(*arguments: str) -> tuple[dict[str, Any], float]:
    """Run the command with --json in a process of its own; return what it says and its wall time in s."""
    start = time.perf_counter()
    run = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "finetune.cli.main", *arguments, "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        raise SystemExit("\n".join(line for line in run.stderr.splitlines() if "import time:" not in line))
    assert not any(line.endswith("| tensorflow") for line in run.stderr.splitlines()), "TensorFlow was imported"
    return json.loads(run.stdout), time.perf_counter() - start


def accuracy(models: Path) -> None:
    """Print test accuracy and calibration error on digits, for every seed."""
    print(f"sample:digits, probe, seeds {SEEDS.start}..{SEEDS.stop - 1}: test accuracy % (calibration error %)")
    for precision in PRECISIONS:
        runs = [
            finetune("sample:digits", "--models", str(models), "--precision", precision, "--seed", str(seed))[0][
                "metrics"
            ]
            for seed in SEEDS
        ]
        each = "  ".join(f"{100 * run['accuracy']:.1f} ({100 * run['ece']:.1f})" for run in runs)
        print(f"  {precision}  mean {sum(100 * run['accuracy'] for run in runs) / len(runs):.2f}   {each}")


def wall_time(folder: Path, models: Path) -> None:
    """Print the wall time of a first and a second run on 311 JPEGs, the trunk cached."""
    crops = make_crops(folder)
    print("311 JPEGs of 12 pseudo-classes, trunk cached: wall seconds (test accuracy %)")
    for precision in PRECISIONS:
        shutil.rmtree(cache_root() / "features", ignore_errors=True)
        for which in ("first run ", "second run"):
            result, seconds = finetune(str(crops), "--models", str(models), "--precision", precision)
            print(
                f"  {precision}  {which}  {seconds:.2f} s  {result['features']['extracted']} extracted"
                f"  ({100 * result['metrics']['accuracy']:.1f})"
            )


def help_time() -> None:
    """Print how long `finetune --help` takes, best of five."""
    best = 9.0
    for _ in range(5):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "finetune.cli.main", "--help"], stdout=subprocess.DEVNULL, check=True)
        best = min(best, time.perf_counter() - start)
    print(f"finetune --help: {best:.2f} s")


def main() -> None:
    """Measure and print."""
    with scratch() as folder:
        accuracy(folder / "models")
        wall_time(folder / "crops", folder / "models")
        help_time()


if __name__ == "__main__":
    main()
