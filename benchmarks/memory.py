"""How much anonymous memory (RssAnon) the command needs for few pictures and for many, all of them synthetic.

    python -m benchmarks.memory [FEW MANY]

Pictures are JPEGs of 64x64 in ten classes, each folder made anew; the trunk is the default one in int8 and built
first where the cache lacks it; the feature cache is empty. Anonymous memory is what cannot be dropped: pages of
mapped files are not in it. It is read ten times a second from /proc, so Linux only.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.scratch import scratch
from graft.runtime.cpu_threads import available_cores

CLASSES, SIDE = 10, 64
COUNTS = (10_000, 100_000)
EVERY = 0.1  # seconds


def make(folder: Path, count: int) -> Path:
    """Write `count` different pictures, each class around patterns of its own that others share a little."""
    patterns = np.random.default_rng(0).integers(0, 256, (CLASSES, 8, 8, 3))

    def write(number: int) -> None:
        random, label = np.random.default_rng(number), number % CLASSES
        mixed = 0.5 * patterns[label] + 0.3 * patterns[random.integers(CLASSES)] + random.normal(0, 40, (8, 8, 3))
        small = Image.fromarray(np.clip(mixed, 0, 255).astype(np.uint8))
        small.resize((SIDE, SIDE), Image.Resampling.BILINEAR).save(folder / f"{label}" / f"{number:06}.jpg", quality=80)

    for label in range(CLASSES):
        (folder / f"{label}").mkdir(parents=True)
    with ThreadPoolExecutor(available_cores()) as pool:
        for _ in pool.map(write, range(count), chunksize=100):
            pass
    return folder


def finetune(data: Path, folder: Path) -> tuple[dict[str, Any], dict[str, float], list[tuple[float, float]]]:
    """Run the command; return what it says, the peaks of its memory in MB, and when RssAnon rose, (s, MB)."""
    words = [sys.executable, "-m", "finetune.cli.main", str(data), "--models", str(folder / "models")]
    with (folder / "out").open("w+") as out, (folder / "err").open("w+") as err:
        start = time.perf_counter()
        run = subprocess.Popen([*words, "--precision", "int8", "--json"], stdout=out, stderr=err)
        peaks, rises = {"RssAnon": 0.0, "RssFile": 0.0}, [(0.0, 0.0)]
        while run.poll() is None:
            for name, megabytes in memory(run.pid).items():
                peaks[name] = max(peaks[name], megabytes)
            if peaks["RssAnon"] > rises[-1][1] + 20:
                rises.append((time.perf_counter() - start, peaks["RssAnon"]))
            time.sleep(EVERY)
        seconds = time.perf_counter() - start
        if run.returncode:
            raise SystemExit((folder / "err").read_text())
    return json.loads((folder / "out").read_text()), peaks | {"seconds": seconds}, rises


def memory(process: int) -> dict[str, float]:
    """Return what a process holds now, in MB; nothing where it has just ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return {}
    pairs = (line.split() for line in lines if line.startswith(("RssAnon:", "RssFile:")))
    return {name.rstrip(":"): int(kilobytes) * 1024 / 1e6 for name, kilobytes, _ in pairs}


def main() -> None:
    counts = tuple(map(int, sys.argv[1:3])) if len(sys.argv) == 3 else COUNTS
    anonymous = []
    for count in counts:
        with scratch() as folder:
            result, peaks, rises = finetune(make(folder / "data", count), folder)
        anonymous.append(peaks["RssAnon"])
        print(
            f"{count:,} pictures: RssAnon {peaks['RssAnon']:.0f} MB, RssFile {peaks['RssFile']:.0f} MB at most; "
            f"{peaks['seconds']:.0f} s, of them {result['features']['seconds']:.0f} s of features; "
            f"accuracy {result['metrics']['accuracy']:.1%}"
        )
        print("  RssAnon rose to " + ", ".join(f"{mb:.0f} at {at:.0f} s" for at, mb in rises[1:]), flush=True)
    print(f"{counts[-1]:,} need {anonymous[-1] - anonymous[0]:+.0f} MB over {counts[0]:,}")


if __name__ == "__main__":
    main()
