"""All of them, one after the other, each in a process of its own: `python -m benchmarks`."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.crops import make_crops

NAMES = ("commands", "extraction", "decoders", "int8", "int8_text", "finetune", "reuters")


def run(name: str, *arguments: str) -> None:
    print(f"\n== {name}", flush=True)
    subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *arguments], check=True)


if __name__ == "__main__":
    for name in NAMES:
        run(name)
    with tempfile.TemporaryDirectory() as folder:
        make_crops(Path(folder) / "photos")
        command = Path(sys.executable).parent / "finetune"
        subprocess.run([command, f"{folder}/photos", "--models", f"{folder}/models"], check=True)
        run("serving", f"{folder}/models")
