"""The load generator: one thread, raw sockets, requests built beforehand, in a process of its own.

It only counts and stores while it runs; what is made of the records is worked out afterwards by who started it. It
shares the machine with the server, so what it costs is part of every result: `cpu` is its own seconds a request.
"""

from __future__ import annotations

import collections
import itertools
import json
import selectors
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.serving.line import Line

SETTLE = 0.4  # seconds of load before a closed loop is counted
GIVE_UP = 60.0  # seconds without any answer


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to send: all `order` (indices of requests), or, where that is empty, one after the other for `seconds`.

    With `dues`, seconds from the start for each of `order`, a request is sent when it is due, whatever the server
    does (an open loop), and its time counts from then. Without, a connection sends again when it was answered.
    """

    port: int
    connections: int
    seconds: float = 0.0
    order: Sequence[int] = ()
    dues: Sequence[float] = ()
    keep: bool = False  # the bodies of the answers


@dataclass(frozen=True)
class Answer:
    """One request: which, when it was sent (or due) and answered in s from the start, and what came; 0: no answer."""

    which: int
    sent: float
    done: float
    status: int
    body: str = ""


@dataclass(frozen=True)
class Outcome:
    """The records of one run, as they were answered."""

    answers: tuple[Answer, ...]
    cpu: float  # of the generator, seconds a request
    since: float = 0.0  # from here on answers count
    until: float = field(default=float("inf"))

    @property
    def counted(self) -> list[Answer]:
        """Return the answers within the time that counts."""
        return [answer for answer in self.answers if self.since <= answer.done < self.until]

    @property
    def bad(self) -> int:
        """Return how many of all were not answered with 200."""
        return sum(answer.status != 200 for answer in self.answers)

    @property
    def rate(self) -> float:
        """Return the answers with 200 a second."""
        until = min(self.until, max((answer.done for answer in self.answers), default=self.since + 1.0))
        return sum(answer.status == 200 for answer in self.counted) / (until - self.since)

    def percentile(self, share: float) -> float:
        """Return the seconds that `share` of the requests did not exceed."""
        took = sorted(answer.done - answer.sent for answer in self.counted)
        return took[min(len(took) - 1, int(len(took) * share))] if took else float("nan")

    def summary(self) -> dict[str, float]:
        """Return plain numbers: requests a second, milliseconds, failures, the generator's own microseconds."""
        return {
            "rate": self.rate,
            "p50_ms": self.percentile(0.5) * 1e3,
            "p99_ms": self.percentile(0.99) * 1e3,
            "bad": self.bad,
            "generator_us": self.cpu * 1e6,
        }


def load(requests: Sequence[bytes], plan: Plan) -> Outcome:
    """Carry out a plan in a process of its own."""
    running = begin(requests, plan)
    return finish(running, plan)


def begin(requests: Sequence[bytes], plan: Plan) -> subprocess.Popen[bytes]:
    """Start a plan and return at once; `finish` waits for it."""
    head = json.dumps({"plan": asdict(plan), "sizes": [len(request) for request in requests]}).encode()
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.serving.load"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin
    process.stdin.write(head + b"\n" + b"".join(requests))
    process.stdin.close()
    return process


def finish(process: subprocess.Popen[bytes], plan: Plan) -> Outcome:
    """Wait for a plan that was begun."""
    assert process.stdout
    with process:
        output = process.stdout.read()
    if process.returncode:
        raise RuntimeError(f"the load generator ended with {process.returncode}; what it said stands above.")
    record = json.loads(output)
    answers = tuple(Answer(*row) for row in record["answers"])
    window = {} if plan.order else {"since": SETTLE, "until": SETTLE + plan.seconds}
    return Outcome(answers, record["cpu"], **window)


def drive(requests: Sequence[bytes], plan: Plan) -> list[Answer]:
    """Carry out a plan in this process."""
    selector = selectors.DefaultSelector()
    lines = [Line(plan.port, selector) for _ in range(plan.connections)]
    free = collections.deque(lines)
    answers: list[Answer] = []
    start = last = time.perf_counter()
    end = float("inf") if plan.order else SETTLE + plan.seconds
    queue = _queue(plan, len(requests))
    due = next(queue, None)
    while due or len(free) < len(lines):
        now = time.perf_counter() - start
        if now >= end:
            due = None
        while due and free and due[1] <= now:
            which, when = due
            free.popleft().send(which, requests[which], when if plan.dues else time.perf_counter() - start)
            due = next(queue, None)
        wait = max(0.0, due[1] - now) if due and free else 1.0
        for key, events in selector.select(wait):
            line: Line = key.data
            if events & selectors.EVENT_WRITE:
                line.write()
            if events & selectors.EVENT_READ and (answer := line.read()):
                last = time.perf_counter()
                text = answer[1].decode(errors="replace") if plan.keep else ""
                answers.append(Answer(line.which, line.sent, last - start, answer[0], text))
                free.append(line)
        if time.perf_counter() - last > GIVE_UP + max(wait, 0.0):
            raise TimeoutError(f"no answer for {GIVE_UP:.0f} s, {len(answers)} before")
    for line in lines:
        line.close()
    return answers


def _queue(plan: Plan, count: int) -> Iterator[tuple[int, float]]:
    """Return which request is next and when it may be sent."""
    order: Iterable[int] = plan.order or itertools.cycle(range(count))
    return zip(order, plan.dues or itertools.repeat(0.0), strict=False)


def main() -> None:
    """Read a plan and its requests from standard input, and write the records to standard output."""
    head: dict[str, Any] = json.loads(sys.stdin.buffer.readline())
    requests = [sys.stdin.buffer.read(size) for size in head["sizes"]]
    before = time.process_time()
    answers = drive(requests, Plan(**head["plan"]))
    cpu = (time.process_time() - before) / max(len(answers), 1)
    rows = [(a.which, a.sent, a.done, a.status, a.body) for a in answers]
    json.dump({"answers": rows, "cpu": cpu}, sys.stdout)


if __name__ == "__main__":
    main()
