"""A thousand swaps of a model under 70 % load: failures, p99 beside p99 without swaps, and the order of versions.

The load is open: requests arrive by a Poisson process (seed 0), at 70 % of what a closed loop of 32 connections got
just before, and their time counts from when they were due. Versions are published in turn from two fine-tuned heads,
so every answer also shows whether the version it names is the one that spoke.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.serving.bench import Bench
from benchmarks.serving.claims import Claim, Data, at_most, none_of
from benchmarks.serving.contender import ask
from benchmarks.serving.load import Answer, Outcome, Plan, begin, finish
from benchmarks.serving.ours import Graft
from benchmarks.serving.samples import photo

SHARE, TOGETHER = 0.7, 32
EVERY = 0.25  # seconds from one swap to the next, at least
CALM = 30.0  # seconds of load without swaps, before and after
KEPT = 4  # versions on disk
STATUS = b"GET /v1/models/photos HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


class Swapper:
    """Publishes version after version of `photos` in one repository, the two heads in turn."""

    def __init__(self, sources: Sequence[Path], models: Path) -> None:
        self._sources, self._models, self.version = sources, models, 0
        self.publish()

    def source(self, version: int) -> int:
        """Return which of the sources a version is a copy of."""
        return version % len(self._sources)

    def publish(self) -> None:
        """Publish the next version by one rename, as `graft.bundle.publish` does, and delete the oldest."""
        self.version += 1
        draft, home = self._models / ".draft", self._models / "photos"
        home.mkdir(parents=True, exist_ok=True)
        shutil.copytree(self._sources[self.source(self.version)] / "photos" / "1", draft, copy_function=os.link)
        manifest = json.loads((draft / "manifest.json").read_text()) | {"version": self.version}
        (draft / "manifest.json").unlink()
        (draft / "manifest.json").write_text(json.dumps(manifest))
        draft.rename(home / str(self.version))
        if self.version > KEPT:
            shutil.rmtree(home / str(self.version - KEPT))

    def swap(self, port: int) -> float:
        """Publish a version and return the seconds until the server tells that it is ready."""
        self.publish()
        start_time = time.perf_counter()
        while time.perf_counter() < start_time + 30:
            _, body = ask(port, STATUS)
            if any(int(one["version"]) == self.version for one in ready(body)):
                return time.perf_counter() - start_time
            time.sleep(0.02)
        raise RuntimeError(f"version {self.version} was not served after 30 s: {body[:300]!r}")


def ready(status: bytes) -> list[dict[str, str]]:
    """Return the versions that can be asked, of TensorFlow Serving's form of a status."""
    return [one for one in json.loads(status)["model_version_status"] if one["state"] == "AVAILABLE"]


def measure(bench: Bench) -> Data:
    """Return figures of the calm before, of the swaps, and of the calm after."""
    sources = [bench.models("jpeg"), bench.models("jpeg", seed=1)]
    swapper = Swapper(sources, bench.folder / "swapped")
    bench_of = Bench(bench.folder / "swapping", bench.effort, _made={"photos-fp32-0": bench.folder / "swapped"})
    server = Graft("Graft", environment={"GRAFT_POLL": "0.05"})
    request = server.request("jpeg", photo())
    with bench_of.served(server, "jpeg") as port:
        full = bench_of.load(server, "jpeg", port, TOGETHER).rate
        rate = SHARE * full
        seconds = min(CALM, bench.effort.swaps * EVERY)
        before = finish(*start_open_loop(request, port, rate, seconds))
        expected = [current_probability(request, port)]
        swapper.swap(port)
        expected.append(current_probability(request, port))
        first = swapper.version
        load = start_open_loop(request, port, rate, bench.effort.swaps * EVERY * 1.2)
        took, stop = [], threading.Event()
        feeder = threading.Thread(target=lambda: swap_repeatedly(swapper, port, bench.effort.swaps, took, stop))
        feeder.start()
        try:
            during = finish(*load)
        finally:
            stop.set()
            feeder.join()
        after = finish(*start_open_loop(request, port, rate, seconds))
    figures = {"swaps": len(took), "versions_seen": len({version(answer) for answer in during.answers}), "rate": rate}
    figures |= {"requests": len(during.answers), "bad": during.bad, "load_before": full}
    figures |= {"p50_ms": during.percentile(0.5) * 1e3, "p99_ms": during.percentile(0.99) * 1e3}
    figures |= {"calm_p99_ms": sum(calm.percentile(0.99) for calm in (before, after)) / 2 * 1e3}
    figures |= {"p99_to_calm": figures["p99_ms"] / figures["calm_p99_ms"], "calm_bad": before.bad + after.bad}
    figures |= {"swap_median_s": sorted(took)[len(took) // 2] if took else float("nan")}
    figures |= {"stale": stale(during), "out_of_order": out_of_order(during)}
    figures |= {"false_version": count_false_versions(during, swapper.source, first, expected)}
    print("  " + "  ".join(f"{name} {value:.4g}" for name, value in figures.items()), flush=True)
    return {"fp32": figures}


def start_open_loop(request: bytes, port: int, rate: float, seconds: float):  # noqa: ANN201  # what `finish` takes
    """Begin an open loop."""
    arrivals, dues = random.Random(0), [0.0]  # noqa: S311
    while dues[-1] < seconds:
        dues.append(dues[-1] + arrivals.expovariate(rate))
    plan = Plan(port=port, connections=2 * TOGETHER, order=[0] * len(dues), dues=dues, keep=True)
    return begin([request], plan), plan


def swap_repeatedly(swapper: Swapper, port: int, count: int, took: list[float], stop: threading.Event) -> None:
    """Swap `count` times, one swap every EVERY seconds or as fast as the server follows."""
    for _ in range(count):
        start_time = time.perf_counter()
        took.append(swapper.swap(port))
        if stop.wait(max(0.0, EVERY - (time.perf_counter() - start_time))):
            return


def version(answer: Answer) -> int:
    """Return which version an answer names; 0 where there is none."""
    return int(json.loads(answer.body)["version"]) if answer.status == 200 else 0


def probability(body: str) -> float:
    """Return the probability of the best label."""
    return float(json.loads(body)["predictions"][0]["probability"])


def current_probability(request: bytes, port: int) -> float:
    """Ask once and return the probability."""
    return probability(ask(port, request)[1].decode())


def stale(outcome: Outcome) -> int:
    """Count requests sent after an answer of N+1 had come and answered by N all the same."""
    newest, count = 0, 0
    moments = [(answer.sent, 1, answer) for answer in outcome.answers] + [
        (answer.done, 0, answer) for answer in outcome.answers
    ]
    newest_when_sent: dict[int, int] = {}
    for _, kind, answer in sorted(moments, key=lambda moment: moment[:2]):
        if kind:
            newest_when_sent[id(answer)] = newest
        elif answer.status == 200:
            newest = max(newest, version(answer))
            count += version(answer) < newest_when_sent.get(id(answer), 0)
    return count


def out_of_order(outcome: Outcome) -> int:
    """Count answers of N that came after one of N+1, those that were on their way already included."""
    newest, count = 0, 0
    for answer in outcome.answers:
        if answer.status == 200:
            count += version(answer) < newest
            newest = max(newest, version(answer))
    return count


def count_false_versions(outcome: Outcome, source: Callable[[int], int], first: int, expected: Sequence[float]) -> int:
    """Count answers whose probability is not that of the version that they name."""
    of = {source(first - 1): expected[0], source(first): expected[1]}
    correct = (answer for answer in outcome.answers if answer.status == 200)
    return sum(abs(probability(answer.body) - of[source(version(answer))]) > 1e-4 for answer in correct)


def claims(data: Data) -> list[Claim]:
    """Hold the figures against what is asked."""
    row = data["fp32"]
    what = f"{row['swaps']:,} swaps of a model under {SHARE:.0%} load ({row['rate']:.0f} requests/s)"
    return [
        none_of(f"{what}: failed requests", row["bad"], f" of {row['requests']:,}"),
        at_most(f"{what}: p99 to p99 without swaps", row["p99_to_calm"], 2.0, unit=" ×"),
        none_of("requests sent after an answer of version N+1 and answered by N", row["stale"]),
        none_of("answers of a version that another one gave", row["false_version"]),
    ]
