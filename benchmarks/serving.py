"""Measure the server on a repository of yours: start, memory, speed.

    python benchmarks/serving.py models

Speed is given beside that of the bare work (decode, trunk, head) in the same run on the same cores:
on a machine that other things share only the ratio means anything. The requests are made by this
script on those cores too.
"""

from __future__ import annotations

import argparse
import http.client
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from service.engine import OnnxEngine
from service.model import Model, open_model
from zoo.bundle import model_names, open_bundle, versions
from zoo.cores import cores

SERVE = "from service.cli import serve_main; serve_main()"
STARTS, COPIES, ROUNDS, SECONDS = 5, 50, 6, 1.0


def main() -> None:
    """Measure everything and print it."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("models", type=Path, help="a model repository; its first model is asked")
    models = arguments.parse_args().models
    name = model_names(models)[0]
    newest = versions(models, name)[-1]
    sample = open_bundle(models / name / str(newest)).golden().samples[0]
    model = open_model(models, name, newest, OnnxEngine())
    print(
        f"{name}/{newest}, {model.manifest.backbone['name']} {model.manifest.precision}, {len(sample):,} bytes a sample"
    )
    with tempfile.TemporaryDirectory() as folder:
        one = copies(models / name / str(newest), Path(folder, "one"), 1)
        many = copies(models / name / str(newest), Path(folder, "many"), COPIES)
        starts = [started(one, sample) for _ in range(STARTS)]
        print(
            f"exec to first prediction: median {statistics.median(starts):.2f} s of {STARTS}, most {max(starts):.2f} s"
        )
        small, large = memory(one, sample), memory(many, sample)
        for kind in small:
            print(f"memory, {kind}: 1 model {small[kind]:.0f} MB, {COPIES} models {large[kind]:.0f} MB, ", end="")
            print(f"{large[kind] / small[kind]:.2f} times")
        speed(one, model, sample)


def copies(bundle: Path, repository: Path, count: int) -> Path:
    """Make a repository of `count` models that are all the same bundle."""
    for number in range(count):
        shutil.copytree(bundle, repository / f"model-{number}" / "1", copy_function=linked)
    return repository


def linked(source: str, target: str) -> None:
    """Link a file, or copy it where that cannot be."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


@contextmanager
def server(models: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Run `serve` on a free port of loopback."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, "--models", models, "--port", str(port)], stderr=subprocess.DEVNULL
    )
    try:
        yield process, port
    finally:
        process.terminate()
        process.wait()


def ask(line: http.client.HTTPConnection, name: str, sample: bytes) -> int:
    """Ask once and return the status."""
    line.request("POST", f"/v1/models/{name}:predict", sample, {"Content-Type": "application/octet-stream"})
    answer = line.getresponse()
    answer.read()
    return answer.status


def wait_for(port: int, name: str, sample: bytes) -> None:
    """Return as soon as a prediction is answered."""
    while True:
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            if ask(line, name, sample) == 200:
                return
        except OSError:
            pass
        finally:
            line.close()
        time.sleep(0.005)


def started(models: Path, sample: bytes) -> float:
    """Seconds from exec to the first prediction."""
    start = time.perf_counter()
    with server(models) as (_, port):
        wait_for(port, "model-0", sample)
        return time.perf_counter() - start


def memory(models: Path, sample: bytes) -> dict[str, float]:
    """Megabytes of a server whose models were all asked."""
    with server(models) as (process, port):
        for name in model_names(models):
            wait_for(port, name, sample)
        rows = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
    return {row[:3].upper(): int(row.split()[1]) / 1024 for row in rows if row.startswith(("Rss:", "Pss:"))}


def speed(models: Path, model: Model, sample: bytes) -> None:
    """Print requests a second and latencies, beside the bare work's."""

    def bare() -> None:
        model.scores(model.features(model.decode(sample)))

    print(f"{'at a time':>10} {'bare/s':>8} {'served/s':>9} {'ratio':>6} {'p50 ms':>7} {'p99 ms':>7}")
    with server(models) as (_, port):
        wait_for(port, "model-0", sample)
        for together in (1, 8):
            lines = [http.client.HTTPConnection("127.0.0.1", port) for _ in range(together)]
            asking = [lambda line=line: ask(line, "model-0", sample) for line in lines]
            worked: list[float] = []
            took: list[float] = []
            for _ in range(ROUNDS):  # in turns, so that what else the machine does hits both
                worked += during([bare] * min(together, cores()))  # no more threads than can help it
                took += during(asking)  # type: ignore[arg-type]
            took.sort()
            work, served = len(worked) / SECONDS / ROUNDS, len(took) / SECONDS / ROUNDS
            p50, p99 = (took[int(len(took) * share)] * 1000 for share in (0.5, 0.99))
            print(f"{together:>10} {work:>8.0f} {served:>9.0f} {served / work:>6.2f} {p50:>7.1f} {p99:>7.1f}")


def during(work: list[Callable[[], object]]) -> list[float]:
    """Repeat each of `work` on a thread of its own, and return the seconds that every time took."""
    end = time.perf_counter() + SECONDS

    def repeat(once: Callable[[], object]) -> list[float]:
        took = []
        while (start := time.perf_counter()) < end:
            once()
            took.append(time.perf_counter() - start)
        return took

    with ThreadPoolExecutor(len(work)) as pool:
        return [seconds for times in pool.map(repeat, work) for seconds in times]


if __name__ == "__main__":
    main()
