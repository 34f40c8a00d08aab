"""Batch prediction: `predict photos FOLDER` in process, and the bare loop over the same files."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from benchmarks.serving.bench import Bench
from benchmarks.serving.claims import Claim, Data, at_least
from benchmarks.serving.samples import photo

PREDICT = "from service.cli import predict_main; predict_main()"
DISTINCT = 200  # photos; each stands in the folder many times, under names of its own
ROUNDS = 3


def measure(bench: Bench) -> Data:
    """Return {precision: seconds and ratios}."""
    files = photos(bench.folder / "many", bench.effort.photos)
    few = photos(bench.folder / "few", 1)[0].parent
    figures: Data = {}
    for precision in ("fp32", "int8"):
        models = bench.models("jpeg", precision)
        with bench.bare("jpeg", precision) as bare:
            rows = []
            for _ in range(min(ROUNDS, bench.effort.rounds)):
                loop = bare.files(files, bench.cores)
                rows.append((loop, time_predict(models, files[0].parent), time_predict(models, few)))
        loops, wholes, starts = (median(column) for column in zip(*rows, strict=True))
        row = {
            "files": len(files),
            "bare_s": loops,
            "predict_s": wholes,
            "predict_one_s": starts,
            "ratio_whole": median(loop / whole for loop, whole, _ in rows),
            "ratio_without_start": median(loop / (whole - start) for loop, whole, start in rows),
        }
        figures[precision] = row
        print(f"  {precision}  " + "  ".join(f"{name} {value:.3f}" for name, value in row.items()), flush=True)
    return figures


def time_predict(models: Path, folder: Path) -> float:
    """Return the seconds that the command takes for all files of a folder, its start included."""
    out = folder.parent / "answers.csv"
    out.unlink(missing_ok=True)
    start_time = time.perf_counter()
    process = subprocess.run(
        [sys.executable, "-c", PREDICT, "photos", folder, "--models", models, "--csv", out],
        capture_output=True,
        text=True,
        env=os.environ | {"COLUMNS": "120"},
        check=False,
    )
    took = time.perf_counter() - start_time
    if process.returncode:
        raise RuntimeError(f"predict failed:\n{process.stderr[-2000:]}")
    rows, files = len(out.read_text().splitlines()) - 1, len(list(folder.iterdir()))
    assert rows == files, f"{rows} rows for {files} files"
    return took


def photos(folder: Path, count: int) -> list[Path]:
    """Write `count` JPEGs of 640x480 and return their paths."""
    folder.mkdir()
    paths = [folder / f"{number:05}.jpg" for number in range(count)]
    for number, path in enumerate(paths):
        path.write_bytes(photo(number % DISTINCT))
    return paths


def claims(data: Data) -> list[Claim]:
    """Hold the figures against what is asked."""
    lines = []
    for precision, row in data.items():
        what = f"`predict` over {row['files']:,} photos, {precision}, to the bare loop"
        lines.append(at_least(f"{what}, start included", row["ratio_whole"], 0.95, unit=" ×"))
        lines.append(at_least(f"{what}, start taken off", row["ratio_without_start"], 0.95, unit=" ×"))
    return lines
