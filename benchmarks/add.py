"""How long it takes to teach a nine-class model a tenth class, and what that does to the nine: `finetune add`.

    python -m benchmarks.add

5,000 digits of sample:mnist: a model of 0 to 8 first, then the nines are added. Wall seconds of the whole command, the
start of Python included; "reading" is what it takes to read and decode the new pictures and to run the trunk on them.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.scratch import scratch
from finetune.data.load import load_dataset

NEW = "9"
ROUNDS = 3


def finetune(*words: str) -> tuple[dict[str, Any], float]:
    """Run the command in a process of its own; return what it says and its wall time in s."""
    start = time.perf_counter()
    run = subprocess.run(
        [sys.executable, "-m", "finetune.cli.main", *words, "--json"], capture_output=True, text=True, check=False
    )
    if run.returncode:
        raise SystemExit(run.stderr)
    return json.loads(run.stdout), time.perf_counter() - start


def write(folder: Path) -> None:
    """Write the digits into folder/nine and folder/new, a folder for each class."""
    for sample in load_dataset("sample:mnist").samples:
        path = folder / ("new" if sample.label == NEW else "nine") / sample.label / f"{Path(sample.ref).name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(sample.read())


def measure(folder: Path) -> None:
    """Train on nine classes, add the tenth ROUNDS times, and print."""
    models = folder / "models"
    first, _ = finetune(str(folder / "nine"), "--models", str(models))
    print(f"nine classes, {sum(first['counts'].values()):,} digits: accuracy {first['metrics']['accuracy']:.4f}")
    for number in range(1, ROUNDS + 1):
        result, seconds = finetune("add", str(folder / "new"), "--to", "nine", "--models", str(models))
        reading, compared = result["features"]["seconds"], result["comparison"]
        print(
            f"  add {number}: {seconds:.2f} s, of it reading {reading:.2f} s "
            f"({result['features']['extracted']} extracted), "
            f"beyond it {seconds - reading:.2f} s"
        )
        print(
            f"    accuracy on the old test part {compared['before']:.4f} -> {compared['after']:.4f}, "
            f"on the new {compared['new']:.4f}, on all {result['metrics']['accuracy']:.4f}"
        )
        shutil.rmtree(result["path"])
    whole, seconds = finetune("sample:mnist", "--models", str(models))
    print(f"all ten from the start: {seconds:.2f} s, accuracy {whole['metrics']['accuracy']:.4f}")


def main() -> None:
    """Measure in a scratch folder, with the trunks that are built already and an empty feature cache."""
    with scratch() as folder:
        write(folder)
        measure(folder)


if __name__ == "__main__":
    main()
