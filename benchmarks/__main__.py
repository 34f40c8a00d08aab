"""All of them, one after the other, each in a process of its own: `python -m benchmarks`."""

from __future__ import annotations

import subprocess
import sys

NAMES = (
    *("commands", "extraction", "decoders", "int8", "int8_text", "finetune", "frozen", "doctor", "add", "deep"),
    *("deep_accuracy", "mnist", "reuters", "reuters_deep", "resume", "resume_command", "memory", "serving"),
)


def run(name: str) -> None:
    print(f"\n== {name}", flush=True)
    subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=True)


if __name__ == "__main__":
    for name in NAMES:
        run(name)
