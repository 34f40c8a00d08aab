"""Load and time a trunk in a child process, so that its memory can be measured and is freed afterwards."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Final

from graft.errors import MissingExtra, TrunkError

REQUIRED_PACKAGES: Final = ("onnxruntime", "tokenizers")
_EXIT_TIMEOUT: Final = 10.0  # seconds for a process to end once its standard input has


class BenchProcess:
    """A child process that has loaded a trunk; `load_report` holds the seconds and bytes that loading took."""

    def __init__(self, process: subprocess.Popen[str], stderr: IO[str], label: str) -> None:
        self._process, self._stderr, self._label = process, stderr, label
        self.load_report = self._read_reply()

    def time_runs(self, batch: int, threads: int, runs: int) -> float:
        """Return the wall-clock seconds of `runs` runs of a batch on each of `threads` concurrent threads.

        Raises:
            TrunkError: the process ended; the message has the last line of its standard error.
        """
        assert self._process.stdin is not None  # noqa: S101 - Popen got PIPE
        with suppress(BrokenPipeError):  # the missing reply says why
            self._process.stdin.write(json.dumps({"batch": batch, "threads": threads, "runs": runs}) + "\n")
            self._process.stdin.flush()
        return float(self._read_reply()["seconds"])

    def _read_reply(self) -> dict[str, Any]:
        assert self._process.stdout is not None  # noqa: S101 - Popen got PIPE
        if line := self._process.stdout.readline():
            facts: dict[str, Any] = json.loads(line)
            return facts
        status = self._process.wait()
        self._stderr.seek(0)
        words = self._stderr.read().strip().splitlines()
        reason = words[-1] if words else f"exit status {status} without a message; out of memory?"
        raise TrunkError(f"{self._label} cannot be measured: {reason}")


def require_bench_packages() -> None:
    """Require the packages that run a trunk.

    Raises:
        MissingExtra: one is not installed.
    """
    if missing := [package for package in REQUIRED_PACKAGES if importlib.util.find_spec(package) is None]:
        raise MissingExtra(
            f"zoo bench needs {', '.join(missing)}, not installed here. "
            'Run: pip install "keras-graft[serve]", or "keras-graft[train]" to build trunks as well.'
        )


@contextmanager
def start_bench_process(folder: Path, tokens: int, label: str) -> Iterator[BenchProcess]:
    """Start `python -m zoo.bench` on the trunk in `folder`; the process is stopped at the end in any case.

    Raises:
        TrunkError: the trunk could not be loaded.
    """
    # -P: not a folder `zoo` in the current directory
    command = [sys.executable, "-P", "-m", "zoo.bench", str(folder), "--tokens", str(tokens)]
    with tempfile.TemporaryFile("w+", errors="replace") as stderr:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, text=True)
        try:
            yield BenchProcess(process, stderr, label)
        finally:
            _stop(process)


def _stop(process: subprocess.Popen[str]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe:
            with suppress(BrokenPipeError):
                pipe.close()
    try:
        process.wait(0 if sys.exc_info()[0] else _EXIT_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
