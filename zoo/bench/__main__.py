"""`python -m zoo.bench FOLDER --tokens T`: one trunk, loaded and run in a process of its own.

FOLDER is as in the cache of trunks: trunk.onnx, trunk.json, perhaps tokenizer.json. First it says, as a line of JSON,
what loading took; then each line of JSON on standard input asks for runs, and is answered by the seconds they took.
`zoo.bench.child_process` starts it; people use `zoo bench`.
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
    """Load, then answer until standard input ends; what went wrong is the last line on standard error."""
    parser = argparse.ArgumentParser(prog="python -m zoo.bench", description="Measure one trunk.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tokens", type=int, default=0)
    arguments = parser.parse_args()
    before, began = anonymous_memory(), time.perf_counter()
    try:
        trunk = load_trunk_folder(arguments.folder)
        samples = noise_batch(trunk, 1, arguments.tokens)
        trunk(samples)
    except GraftError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the parent reads it
        return 1
    after = anonymous_memory()
    memory = None if before is None or after is None else after - before
    tokens = samples["token_ids"].shape[1] if isinstance(trunk.inputs, TextInput) else None
    print_reply({"load_seconds": time.perf_counter() - began, "memory": memory, "tokens": tokens})
    for line in sys.stdin:
        request = json.loads(line)
        arrays = noise_batch(trunk, request["batch"], arguments.tokens)
        print_reply({"seconds": time_concurrent_runs(trunk, arrays, request["threads"], request["runs"])})
    return 0


def load_trunk_folder(folder: Path) -> Trunk:
    """Return the trunk in a folder of the cache, or one that looks like that."""
    facts: dict[str, Any] = json.loads((folder / "trunk.json").read_bytes())
    tokenizer = folder / TOKENIZER_FILE
    inputs = open_input(facts["input"], tokenizer.read_bytes() if tokenizer.is_file() else None)
    return Trunk(folder / "trunk.onnx", facts["sha256"], Signature.from_dict(facts["signature"]), inputs, facts)


def noise_batch(trunk: Trunk, count: int, tokens: int) -> BatchArrays:
    """Return `count` samples of noise: pixels, or texts of `tokens` ids each. What is in them costs no time.

    An encoder that takes no padding mask always sees as many tokens as it can.
    """
    random = np.random.default_rng(0)
    if isinstance(trunk.inputs, TextInput):
        ids = random.integers(0, trunk.inputs.vocabulary_size, (count, tokens), np.int32)
        return trunk.inputs.batch(list(ids))
    shape = trunk.signature.inputs[0].shape[1:]
    return trunk.inputs.batch(list(random.integers(0, 256, (count, *shape), np.uint8)))


def time_concurrent_runs(trunk: Trunk, arrays: BatchArrays, threads: int, runs: int) -> float:
    """Return the wall seconds in which each of `threads` threads runs a batch `runs` times."""
    start = threading.Barrier(threads + 1)

    def run_batches() -> None:
        start.wait()
        for _ in range(runs):
            trunk(arrays)

    workers = [threading.Thread(target=run_batches) for _ in range(threads)]
    for worker in workers:
        worker.start()
    start.wait()
    began = time.perf_counter()
    for worker in workers:
        worker.join()
    return time.perf_counter() - began


def anonymous_memory(status: Path = _PROC_STATUS) -> int | None:
    """Return the bytes of this process that no file stands behind; None where the system does not tell."""
    try:
        lines = status.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:")), None)


def print_reply(facts: dict[str, Any]) -> None:
    """Write one line."""
    print(json.dumps(facts), flush=True)  # noqa: T201 - the parent reads it


if __name__ == "__main__":
    sys.exit(main())
