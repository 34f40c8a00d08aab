"""`python -m zoo.bench FOLDER --tokens T`: the child process that loads and times one trunk.

FOLDER is laid out as in the trunk cache: trunk.onnx, trunk.json, for text tokenizer.json. The process first writes a
line of JSON with the time and memory that loading took. It then reads requests from standard input, one line of JSON
each, and answers each with the seconds that the runs took. `zoo.bench.child_process` starts it; people use `zoo bench`.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from pathlib import Path
from typing import Any, Final

import numpy as np

from graft.bundle.signature import Signature
from graft.errors import GraftError
from graft.inputs.open_input import BatchArrays, open_input
from graft.inputs.text import TextInput
from zoo.convert.process.child_process import TOKENIZER_FILE
from zoo.trunks.trunk import Trunk

_PROC_STATUS: Final = Path("/proc/self/status")


def main() -> int:
    """Load the trunk, then answer requests until standard input ends; an error is the last line on standard error."""
    parser = argparse.ArgumentParser(prog="python -m zoo.bench", description="Time one trunk.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tokens", type=int, default=0)
    arguments = parser.parse_args()
    memory_before, started_at = anonymous_memory(), time.perf_counter()
    try:
        trunk = load_trunk_folder(arguments.folder)
        samples = noise_batch(trunk, 1, arguments.tokens)
        trunk(samples)
    except GraftError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the parent reads it
        return 1
    memory_after = anonymous_memory()
    memory = None if memory_before is None or memory_after is None else memory_after - memory_before
    tokens = samples["token_ids"].shape[1] if isinstance(trunk.inputs, TextInput) else None
    print_reply({"load_seconds": time.perf_counter() - started_at, "memory": memory, "tokens": tokens})
    for line in sys.stdin:
        request = json.loads(line)
        arrays = noise_batch(trunk, request["batch"], arguments.tokens)
        print_reply({"seconds": time_concurrent_runs(trunk, arrays, request["threads"], request["runs"])})
    return 0


def load_trunk_folder(folder: Path) -> Trunk:
    """Return the trunk in a folder of the trunk cache, or in one laid out like it."""
    facts: dict[str, Any] = json.loads((folder / "trunk.json").read_bytes())
    tokenizer = folder / TOKENIZER_FILE
    inputs = open_input(facts["input"], tokenizer.read_bytes() if tokenizer.is_file() else None)
    return Trunk(folder / "trunk.onnx", facts["sha256"], Signature.from_dict(facts["signature"]), inputs, facts)


def noise_batch(trunk: Trunk, count: int, tokens: int) -> BatchArrays:
    """Return a batch of `count` random samples: images, or texts of `tokens` ids each.

    The content does not affect the time. Encoders without a padding mask always get their maximum of tokens.
    """
    random = np.random.default_rng(0)
    if isinstance(trunk.inputs, TextInput):
        ids = random.integers(0, trunk.inputs.vocabulary_size, (count, tokens), np.int32)
        return trunk.inputs.batch(list(ids))
    shape = trunk.signature.inputs[0].shape[1:]
    return trunk.inputs.batch(list(random.integers(0, 256, (count, *shape), np.uint8)))


def time_concurrent_runs(trunk: Trunk, arrays: BatchArrays, threads: int, runs: int) -> float:
    """Return the wall-clock seconds in which each of `threads` threads runs a batch `runs` times."""
    start = threading.Barrier(threads + 1)

    def run_batches() -> None:
        start.wait()
        for _ in range(runs):
            trunk(arrays)

    workers = [threading.Thread(target=run_batches) for _ in range(threads)]
    for worker in workers:
        worker.start()
    start.wait()
    started_at = time.perf_counter()
    for worker in workers:
        worker.join()
    return time.perf_counter() - started_at


def anonymous_memory(status: Path = _PROC_STATUS) -> int | None:
    """Return the bytes of anonymous memory (not mapped from files) of this process; None if the system reports none."""
    try:
        lines = status.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:")), None)


def print_reply(facts: dict[str, Any]) -> None:
    """Write a reply to the parent process: one line of JSON."""
    print(json.dumps(facts), flush=True)  # noqa: T201 - the parent reads it


if __name__ == "__main__":
    sys.exit(main())
