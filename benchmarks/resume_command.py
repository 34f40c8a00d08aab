"""Is `finetune … --depth top`, killed and run again with --resume, bit-exact? `benchmarks.resume` for the command.

    python -m benchmarks.resume_command [--kills 20] [--seed 0] [--depth top]

sample:digits (1,797 digits), EfficientNet-Lite0, three epochs, an empty feature cache at the first run. Each run is
killed with SIGKILL at a random moment of its whole length, its start included; SHA-256 of trunk and head are compared
with those of an undisturbed run.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.scratch import scratch
from graft.storage.atomic_file import file_sha256
from graft.storage.cache_root import cache_root


def command(depth: str, models: Path, *more: str) -> list[str]:
    """Return the command line of a run."""
    words = ["sample:digits", "--depth", depth, "--epochs", "3", "--models", str(models), "--json"]
    return [sys.executable, "-m", "finetune.cli.main", *words, *more]


def finish_run(depth: str, models: Path, *more: str) -> tuple[str, str]:
    """Run the command to its end; return the hashes of trunk and head."""
    process = subprocess.run(command(depth, models, *more), capture_output=True, text=True, check=True)
    bundle = Path(json.loads(process.stdout)["path"])
    return file_sha256(bundle / "trunk.onnx"), file_sha256(bundle / "head.onnx")


def kill_run(depth: str, models: Path, after: float) -> bool:
    """Kill a run after `after` seconds; return whether it was still running."""
    run = subprocess.Popen(command(depth, models), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        run.wait(after)
    except subprocess.TimeoutExpired:
        run.send_signal(signal.SIGKILL)
    return run.wait() == -signal.SIGKILL


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--depth", default="top")
    options = parser.parse_args()
    rng = random.Random(options.seed)  # noqa: S311
    os.environ["TF_NUM_INTRAOP_THREADS"] = "2"  # bit-exact results need a fixed number of threads
    with scratch("data") as folder:
        expected = finish_run(options.depth, folder / "models")
        start = time.monotonic()
        assert finish_run(options.depth, folder / "models") == expected, "two undisturbed runs differ"
        length = time.monotonic() - start
        equal = kills = with_checkpoint = 0
        while kills < options.kills:
            if not kill_run(options.depth, folder / "models", rng.uniform(0, length)):
                continue
            kills, with_checkpoint = kills + 1, with_checkpoint + any(cache_root().glob("runs/*/*/checkpoint*"))
            equal += finish_run(options.depth, folder / "models", "--resume") == expected
            shutil.rmtree(cache_root() / "runs", ignore_errors=True)
            print(f"  {kills} kills, {equal} equal, {with_checkpoint} with a checkpoint", flush=True)
    print(f"| kill -9 of `finetune --depth {options.depth}`, {length:.0f} s | {equal} of {kills} equal |")


if __name__ == "__main__":
    main()
