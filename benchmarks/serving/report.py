"""Results on disk, and what people read of them: results.json -> table.md and chart.svg."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.serving import best, folder, poison, profile, starts, swaps, tensors, texts, throughput
from benchmarks.serving.chart import chart
from benchmarks.serving.claims import Claim, Data
from graft.runtime.cpu_threads import available_cores
from graft.storage.atomic_file import write_atomic

ROWS: Mapping[str, Any] = {
    "throughput": throughput,
    "tensors": tensors,
    "texts": texts,
    "folder": folder,
    "best": best,
    "starts": starts,
    "swaps": swaps,
    "poison": poison,
    "profile": profile,
}
PROFILE = {
    "queue": "queue",
    "decode": "decode",
    "trunk": "trunk",
    "head": "head",
    "request": "body read to answer",
    "client_p50": "client, p50",
    "loop_cpu": "event loop, CPU",
    "workers_cpu": "workers, CPU",
}
FIGURES = "## Figures\n\n"  # the last section of the page
VERSIONS = ("onnxruntime", "numpy", "pillow", "fastapi", "uvicorn", "tokenizers")


def machine() -> Data:
    """Return the machine and the versions on which the figures depend."""
    try:
        cpu = next(
            row.partition(":")[2].strip()
            for row in Path("/proc/cpuinfo").read_text().splitlines()
            if row.startswith("model name")
        )
    except (OSError, StopIteration):
        cpu = platform.processor()
    return {
        "cpu": cpu,
        "cores": available_cores(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in VERSIONS},
        "threads": {name: value for name, value in os.environ.items() if name.endswith("_NUM_THREADS")},
    }


def merged(results: Path, row: str, data: Data, effort: str) -> Data:
    """Put the figures of one row into results.json, entry by entry, and return all of it."""
    measurements: Data = json.loads(results.read_text()) if results.is_file() else {}
    stamp = {"date": time.strftime("%Y-%m-%d"), "effort": effort}
    entries = {name: {**entry, "measured": stamp} for name, entry in data.items()}
    measurements["machine"] = machine()
    measurements.setdefault("rows", {}).setdefault(row, {}).update(entries)
    write_atomic(results, (json.dumps(measurements, indent=1) + "\n").encode())
    return measurements


def claims(measurements: Data) -> list[Claim]:
    """Return the claims of all rows that were measured."""
    return [
        claim
        for row, of in ROWS.items()
        if row in measurements["rows"]
        for claim in of.claims(bare_of_stamps(measurements, row))
    ]


def bare_of_stamps(measurements: Data, row: str) -> Data:
    """Return the figures of one row without their dates."""
    return {
        name: {key: value for key, value in entry.items() if key != "measured"}
        for name, entry in measurements["rows"].get(row, {}).items()
    }


def write(measurements: Data, folder: Path) -> None:
    """Write chart.svg beside results.json, and the tables: into the page FOLDER.md, or table.md where there is none."""
    page = folder.with_suffix(".md")
    if page.is_file():
        write_atomic(page, (page.read_text().partition(FIGURES)[0] + FIGURES + table(measurements)).encode())
    else:
        write_atomic(folder / "table.md", table(measurements).encode())
    if bars := rates(measurements):
        write_atomic(folder / "chart.svg", chart(bars, subtitle(measurements["machine"])).encode())


def subtitle(machine: Data) -> str:
    """Return the machine in one line."""
    return f"{machine['cores']} cores, {machine['cpu']}, Python {machine['python']}, no GPU"


def rates(measurements: Data) -> dict[str, tuple[float, float]]:
    """Return {contender: (requests a second at 8 connections, ratio to the fp32 bare loop)}, fastest first."""
    found = {
        name: (entry["8"]["rate"], entry["8"]["to_fp32"])
        for name, entry in measurements["rows"].get("throughput", {}).items()
        if "8" in entry
    }
    return dict(sorted(found.items(), key=lambda item: -item[1][1]))


def table(measurements: Data) -> str:
    """Return all tables in Markdown."""
    marked = [(c.what, c.must, c.measured, "yes" if c.holds else "**no**") for c in claims(measurements)]
    parts = [
        "Made by `python -m benchmarks.serving` (`make bench-serving`) from `results.json`: do not edit.",
        f"{subtitle(measurements['machine'])}. A ratio is the median of rounds in which loop and server took turns.",
        markdown(("what", "must reach", "measured", "holds"), marked),
    ]
    if speed := contenders(measurements):
        parts += [
            "### JPEG of 640x480 to labels over HTTP",
            "Requests a second, and the ratio to the fp32 bare loop (decode, trunk, head; all cores) of the same run.",
            markdown(
                ("server", "1 connection", "8", "32", "p50, p99 at 8, ms", "failed", "first answer, s", "RSS, MB"),
                speed,
            ),
        ]
    if shapes := tensor_rows(measurements):
        parts += ["### Tensors, uint8 [1,224,224,3], 8 connections", markdown(("server", "kind", "requests/s"), shapes)]
    if stages := profiles(measurements):
        parts += [
            "### One request, microseconds",
            "Wall time by stage, and the CPU time of the threads; the trunk's time at 8 includes waiting for a core.",
            markdown(("server, connections", *PROFILE.values()), stages),
        ]
    return "\n\n".join(parts) + "\n"


def profiles(measurements: Data) -> list[tuple[str, ...]]:
    """Return a line for each server and number of connections whose requests were looked into."""
    return [
        (f"{name}, {number}", *(f"{entry[number][column]:,.0f}" for column in PROFILE))
        for name, entry in measurements["rows"].get("profile", {}).items()
        for number in entry
        if number != "measured"
    ]


def contenders(measurements: Data) -> list[tuple[str, ...]]:
    """Return a line for each server that was asked for JPEGs, fastest first."""
    lines = []
    entries = measurements["rows"].get("throughput", {})
    for name in [*rates(measurements), *(name for name, entry in entries.items() if "failed" in entry)]:
        entry, start = entries[name], measurements["rows"].get("starts", {}).get(name, {})
        speeds = [f"{entry[n]['rate']:.0f} ({entry[n]['to_fp32']:.2f})" if n in entry else "" for n in ("1", "8", "32")]
        times = f"{entry['8']['p50_ms']:.0f}, {entry['8']['p99_ms']:.0f}" if "8" in entry else entry["failed"][:60]
        bad = str(int(sum(entry[n]["bad"] for n in ("1", "8", "32") if n in entry)))
        first = f"{start['first_answer_s']:.1f}" if "first_answer_s" in start else ""
        lines.append((name, *speeds, times, bad, first, f"{start['rss_mb']:.0f}" if "rss_mb" in start else ""))
    return lines


def tensor_rows(measurements: Data) -> list[tuple[str, ...]]:
    """Return a line for each server and kind of tensor, fastest first."""
    entries = measurements["rows"].get("tensors", {}).items()
    found = [(*name.rsplit(", ", 1), entry["8"]) for name, entry in entries if "8" in entry]
    found.sort(key=lambda row: (row[1], -row[2]["to_fp32"]))
    return [(name, kind.replace("_", " "), f"{row['rate']:.0f} ({row['to_fp32']:.2f})") for name, kind, row in found]


def markdown(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a Markdown table."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)


def readable(found: Iterable[Claim]) -> str:
    """Return claims as a table for a terminal."""
    rows = [(c.what, c.must, c.measured, "" if c.holds else "  <- NO") for c in found]
    width = max((len(row[0]) for row in rows), default=0)
    return "\n".join(f"{what:{width}}  {must:>10}  {measured:>12}{mark}" for what, must, measured, mark in rows)
