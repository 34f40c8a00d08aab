"""The same question to the command as a user types it: `finetune … --depth top`, killed, then run again with --resume.

    python -m benchmarks.resume_command [--kills 20] [--seed 0] [--depth top]

sample:digits (1,797 digits), EfficientNet-Lite0, three epochs, an empty feature cache at the first run. Each run is
killed with SIGKILL at a random moment of its whole length, its start included; SHA-256 of trunk and head are compared
with those of a run that was left in peace.
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
    """Return the words of a run."""
    words = ["sample:digits", "--depth", depth, "--epochs", "3", "--models", str(models), "--json"]
    return [sys.executable, "-m", "finetune.cli.main", *words, *more]


def finished(depth: str, models: Path, *more: str) -> tuple[str, str]:
    """Let a run go to its end; return the hashes of trunk and head."""
    ran = subprocess.run(command(depth, models, *more), capture_output=True, text=True, check=True)
    bundle = Path(json.loads(ran.stdout)["path"])
    return file_sha256(bundle / "trunk.onnx"), file_sha256(bundle / "head.onnx")


def killed(depth: str, models: Path, after: float) -> bool:
    """Kill a run `after` seconds; return whether it was still running."""
    run = subprocess.Popen(command(depth, models), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        run.wait(after)
    except subprocess.TimeoutExpired:
        run.send_signal(signal.SIGKILL)
    return run.wait() == -signal.SIGKILL


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--kills", type=int, default=20)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--depth", default="top")
    asked = options.parse_args()
    chance = random.Random(asked.seed)  # noqa: S311
    os.environ["TF_NUM_INTRAOP_THREADS"] = "2"  # fixed, as the promise asks
    with scratch("data") as folder:
        wanted = finished(asked.depth, folder / "models")
        start = time.monotonic()
        assert finished(asked.depth, folder / "models") == wanted, "two runs that nobody disturbed differ"
        length = time.monotonic() - start
        equal = kills = begun = 0
        while kills < asked.kills:
            if not killed(asked.depth, folder / "models", chance.uniform(0, length)):
                continue
            kills, begun = kills + 1, begun + any(cache_root().glob("runs/*/*/checkpoint*"))
            equal += finished(asked.depth, folder / "models", "--resume") == wanted
            shutil.rmtree(cache_root() / "runs", ignore_errors=True)
            print(f"  {kills} kills, {equal} equal, {begun} with a checkpoint", flush=True)
    print(f"| kill -9 of `finetune --depth {asked.depth}`, {length:.0f} s | {equal} of {kills} equal |")


if __name__ == "__main__":
    main()
