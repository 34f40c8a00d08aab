"""Reuters R8 with an encoder that learns too: accuracy on the standard test split, and the wall time of a run.

    python -m benchmarks.reuters_deep [DEPTH ...]

Runs the command itself, `full` unless told otherwise, once with each seed; what it says of its progress is shown.
Everything is chosen on a validation part that is cut from train; the test part is looked at once, at the end.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from typing import Any

from finetune.data.builtin_datasets import REUTERS_R8
from zoo.catalog.backbone import DEFAULT_TEXT_BACKBONE

SEEDS = range(1)


def run(depth: str, seed: int, models: str) -> tuple[dict[str, Any], float]:
    """Return what the command says, and its wall time in s."""
    words = [REUTERS_R8, "--depth", depth, "--precision", "fp32", "--seed", str(seed), "--models", models, "--json"]
    start = time.perf_counter()
    process = subprocess.run(
        [sys.executable, "-m", "finetune.cli.main", *words], stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(process.stdout), time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    print(f"{REUTERS_R8}, {DEFAULT_TEXT_BACKBONE}; {time.strftime('%Y-%m-%d')}")
    for depth in sys.argv[1:] or ["probe", "full"]:
        for seed in SEEDS:
            with tempfile.TemporaryDirectory() as models:
                result, seconds = run(depth, seed, models)
            metrics = result["metrics"]
            print(
                f"  {depth:5}  seed {seed}  accuracy {metrics['accuracy']:.2%} of {metrics['samples']:,}"
                f"  macro F1 {metrics['macro_f1']:.3f}  calibration error {metrics['ece']:.1%}  {seconds:.0f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
