"""The bare loop: decode, trunk and head with the code that serves them, on threads, and nothing else.

It is the limit of the machine that a server is held against. A process of its own, so that it can be alternated with
a server: it waits on standard input, and one line there is one run.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.serving.contender import MODEL, Workload, end


class Bare:
    """The bare loop over one repository and sample, ready to run."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.share_of_cores = 1.0  # CPU time of the last run's threads per wall time; below 1 on a busy machine

    def rate(self, threads: int, seconds: float, batch: int = 1) -> float:
        """Return samples a second on `threads` threads, `batch` at a time."""
        return self._ask(threads=threads, seconds=seconds, batch=batch)

    def files(self, files: Sequence[Path], threads: int) -> float:
        """Return the seconds for all of `files`: each is read, decoded and answered once."""
        return self._ask(files=[str(path) for path in files], threads=threads)

    def _ask(self, **order: object) -> float:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()
        if answer := self._process.stdout.readline():
            figure, self.share_of_cores = json.loads(answer)
            return float(figure)
        raise RuntimeError("the bare loop ended; what it said stands above.")


@contextmanager
def bare(models: Path, workload: Workload, sample: bytes) -> Iterator[Bare]:
    """Open the repository's model for the bare loop."""
    command = [sys.executable, "-m", "benchmarks.serving.bare", str(models), workload]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
    try:
        assert process.stdin
        process.stdin.write(base64.b64encode(sample) + b"\n")
        ready = Bare(process)
        ready.rate(1, 0.2)  # warm
        yield ready
    finally:
        end(process)


def main() -> None:
    """Serve the loop on standard input and output."""
    from service.models.engine import OnnxEngine
    from service.models.model import open_model

    models, workload = Path(sys.argv[1]), sys.argv[2]
    model = open_model(models, MODEL[workload], 1, OnnxEngine())  # type: ignore[index]
    sample = base64.b64decode(sys.stdin.buffer.readline())

    def answer(data: bytes, batch: int = 1) -> None:
        model.scores(model.features(model.inputs.batch([model.decode_sample(data) for _ in range(batch)])))

    def tensor() -> None:
        model.scores(model.features({name: pixels}))

    if workload in ("json_tensor", "binary_tensor"):
        import numpy as np

        name = model.manifest.signature.inputs[0].name
        pixels = np.frombuffer(sample, np.uint8).reshape(1, 224, 224, 3)
    for line in sys.stdin.buffer:
        order = json.loads(line)
        start_time, cpu_start = time.perf_counter(), time.process_time()
        if files := order.get("files"):
            figure = over(files, order["threads"], lambda path: answer(Path(path).read_bytes()))
        elif workload.endswith("tensor"):
            figure = repeated(tensor, order["threads"], order["seconds"])
        else:
            each = order["batch"]
            figure = each * repeated(lambda each=each: answer(sample, each), order["threads"], order["seconds"])  # type: ignore[misc]
        share = (time.process_time() - cpu_start) / (time.perf_counter() - start_time) / order["threads"]
        print(json.dumps([figure, share]), flush=True)


def repeated(once: Callable[[], object], threads: int, seconds: float) -> float:
    """Return how often a second `once` was done, by `threads` threads for about `seconds`."""
    counts = [0] * threads
    ended = [0.0] * threads
    start_time = time.perf_counter()

    def work(number: int) -> None:
        while (now := time.perf_counter()) < start_time + seconds:
            once()
            counts[number] += 1
        ended[number] = now

    together(threads, work)
    return sum(count / (end - start_time) for count, end in zip(counts, ended, strict=True))


def over(items: Sequence[str], threads: int, once: Callable[[str], object]) -> float:
    """Return the seconds in which `threads` threads did all of `items`."""
    left = iter(items)
    start_time = time.perf_counter()

    def work(_: int) -> None:
        for item in left:  # a list's iterator hands each item to one thread only
            once(item)

    together(threads, work)
    return time.perf_counter() - start_time


def together(threads: int, work: Callable[[int], None]) -> None:
    """Do `work` on that many threads."""
    team = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for member in team:
        member.start()
    for member in team:
        member.join()


if __name__ == "__main__":
    main()
