"""Fresh starts: does every one reach full speed, how soon is the first answer, and what does it weigh.

Memory is that of the whole process group after load: RSS counts a page in each process that has it, PSS once.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path
from statistics import median

from benchmarks.serving.bench import Bench
from benchmarks.serving.claims import Claim, Data, at_least, at_most, why
from benchmarks.serving.contender import Contender, ask, free_port, post
from benchmarks.serving.ours import FP32, INT8, Graft
from benchmarks.serving.samples import photo

TOGETHER, COPIES = 8, 100
PEER_STARTS = 3


def measure(bench: Bench) -> Data:
    """Return {contender: {rates, first_answer_s, rss_mb, pss_mb}} and what a hundred models weigh."""
    figures: Data = {}
    for contender in (FP32, INT8, *bench.peers):
        if "jpeg" in contender.workloads:
            count = bench.effort.starts if isinstance(contender, Graft) else min(PEER_STARTS, bench.effort.starts)
            try:
                figures[contender.name] = starts(bench, contender, count)
            except (RuntimeError, OSError) as fault:
                figures[contender.name] = {"failed": why(fault)}
            print(f"  {contender.name:24} {label(figures[contender.name])}", flush=True)
    figures[f"{FP32.name}, {COPIES} models"] = hundred(bench)
    print(f"  {COPIES} models {label(figures[f'{FP32.name}, {COPIES} models'])}", flush=True)
    return figures


def starts(bench: Bench, contender: Contender, count: int) -> Data:
    """Start a contender `count` times from nothing and load it."""
    rates, seconds, sizes, bad = [], [], [], 0
    models = bench.models_of(contender, "jpeg")
    for _ in range(count):
        start, port = time.perf_counter(), free_port()
        with contender.serve(models, "jpeg", port) as process:
            seconds.append(time.perf_counter() - start)
            outcome = bench.load(contender, "jpeg", port, TOGETHER, min(2.0, bench.effort.seconds))
            rates.append(outcome.rate)
            bad += outcome.bad
            sizes.append(memory(process))
    return {
        "rates": rates,
        "slowest_to_median": min(rates) / median(rates),
        "bad": bad,
        "first_answer_s": median(seconds),
        "first_answer_most_s": max(seconds),
        **{kind: median(size[kind] for size in sizes) for kind in sizes[0]},
    }


def hundred(bench: Bench) -> Data:
    """Return what a server of many models on one trunk weighs when each was asked, beside one that has one."""
    repository = copies(bench.models("jpeg") / "photos" / "1", bench.folder / "hundred", COPIES)
    one = weighed(bench.models("jpeg"), ["photos"])
    many = weighed(repository, [f"photos-{number}" for number in range(COPIES)])
    return {**many, "to_one_rss": many["rss_mb"] / one["rss_mb"], "to_one_pss": many["pss_mb"] / one["pss_mb"]}


def weighed(models: Path, names: list[str]) -> Data:
    """Return the memory of our server on a repository when each of `names` was asked."""
    port = free_port()
    first = post(f"/v1/models/{names[-1]}:predict", "image/jpeg", photo())
    with FP32.starting(models, port, first) as process:
        for name in names * 2:
            status, body = ask(port, post(f"/v1/models/{name}:predict", "image/jpeg", photo()))
            if status != 200:
                raise RuntimeError(f"{name} answered {status} {body[:200]!r}")
        return memory(process)


def copies(bundle: Path, repository: Path, count: int) -> Path:
    """Make a repository of `count` models that are all the same bundle, hard-linked."""
    for number in range(count):
        target = repository / f"photos-{number}" / "1"
        shutil.copytree(bundle, target, copy_function=os.link)
        manifest = target / "manifest.json"
        text = manifest.read_text().replace('"name": "photos"', f'"name": "photos-{number}"', 1)
        manifest.unlink()  # it is linked; writing would change every copy
        manifest.write_text(text)
    return repository


def memory(process: subprocess.Popen[bytes]) -> Data:
    """Return megabytes of a process group (Linux)."""
    sizes = {"rss_mb": 0.0, "pss_mb": 0.0}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            group = int((folder / "stat").read_text().rpartition(")")[2].split()[2])
            rows = (folder / "smaps_rollup").read_text().splitlines() if group == process.pid else []
        except (OSError, IndexError):
            continue  # it ended meanwhile
        for row in rows:
            if (kind := f"{row[:3].lower()}_mb") in sizes and row[3] == ":":
                sizes[kind] += int(row.split()[1]) / 1024
    return sizes


def label(row: Data) -> str:
    """Return one line of figures."""
    parts = [
        f"{name} {value:.2f}" if isinstance(value, float) else f"{name} {value}"
        for name, value in row.items()
        if name != "rates"
    ]
    return "  ".join(parts)


def claims(data: Data) -> list[Claim]:
    """Hold the figures against what is asked."""
    lines = []
    for name in (FP32.name, INT8.name):
        row = data.get(name, {})
        if failed := row.get("failed"):
            lines.append(Claim(f"{name} starts", "yes", failed, holds=False))
        elif row:
            count = len(row["rates"])
            lines += [
                at_least(f"{name}: slowest of {count} fresh starts to their median", row["slowest_to_median"], 0.8),
                at_most(f"{name}: start to first answer, most", row["first_answer_most_s"], 1.5, unit=" s"),
                at_most(f"{name}: memory under load, one model, RSS", row["rss_mb"], 350, ".0f", " MB"),
            ]
    if row := data.get(f"{FP32.name}, {COPIES} models"):
        lines.append(at_most(f"memory of {COPIES} models on one trunk to one, RSS", row["to_one_rss"], 1.5, unit=" ×"))
    return lines
