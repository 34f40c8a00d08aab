"""What can be measured: a server that is started, asked and ended in one way, whoever wrote it."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import IO, Literal, Protocol, get_args

Workload = Literal["jpeg", "json_tensor", "binary_tensor", "text"]
WORKLOADS: tuple[Workload, ...] = get_args(Workload)

MODEL: Mapping[Workload, str] = {
    "jpeg": "photos",
    "json_tensor": "photos",
    "binary_tensor": "photos",
    "text": "topics",
}  # the one model of the repository that a workload is served from, in version 1
PATIENCE = 60.0  # seconds until a server must have answered once


class Contender(Protocol):
    """A server that takes part."""

    name: str
    workloads: frozenset[Workload]

    def serve(self, models: Path, workload: Workload, port: int) -> AbstractContextManager[subprocess.Popen[bytes]]:
        """Serve the one model of the repository `models` on `port` of loopback.

        Enters when it has answered once, and ends its whole process group on leaving. `models` holds
        `photos` (image) or `topics` (text), version 1: trunk.onnx (uint8 [n,224,224,3] or token ids
        -> features), head.onnx, manifest.json, tokenizer.json.
        """
        ...

    def request(self, workload: Workload, sample: bytes) -> bytes:
        """Return one whole HTTP/1.1 keep-alive request; the load generator sends just these bytes.

        `sample` is what `benchmarks.serving.samples` gives for the workload: JPEG bytes, the raw
        uint8 [1,224,224,3] of a tensor (for JSON as well), or a text in UTF-8.
        """
        ...


def post(path: str, content_type: str, body: bytes, headers: Mapping[str, str] | None = None) -> bytes:
    """Return the bytes of a POST request that keeps the connection."""
    rows = {"Host": "127.0.0.1", "Content-Type": content_type, "Content-Length": str(len(body)), **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in rows.items())
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode("ascii") + body


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def running(
    command: Sequence[str | Path],
    port: int,
    request: bytes,
    *,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run `command` in a process group of its own, enter when `request` was answered with 200, end the group at last.

    Raises:
        RuntimeError: it ended, or gave no good answer in time; with the end of what it wrote.
    """
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [os.fspath(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )
        try:
            wait_for(process, port, request, log)
            yield process
        finally:
            end(process)


def wait_for(process: subprocess.Popen[bytes], port: int, request: bytes, log: IO[bytes]) -> None:
    """Ask until the answer is 200."""
    deadline = time.monotonic() + PATIENCE
    last = "nothing"
    while time.monotonic() < deadline and process.poll() is None:
        try:
            status, body = ask(port, request)
        except (OSError, http.client.HTTPException) as error:
            last = str(error)
        else:
            if status == 200:
                return
            last = f"{status} {body[:300]!r}"
        time.sleep(0.005)
    log.seek(0)
    tail = log.read().decode(errors="replace")[-3000:]
    ended = f"ended with {process.returncode}" if process.poll() is not None else f"no 200 in {PATIENCE:.0f} s"
    raise RuntimeError(f"the server {ended}; last answer: {last}\n{tail}")


def ask(port: int, request: bytes, timeout: float = 60.0) -> tuple[int, bytes]:
    """Send one whole request on a connection of its own and return status and body."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as line:
        line.sendall(request)
        answer = http.client.HTTPResponse(line)
        answer.begin()
        return answer.status, answer.read()


def end(process: subprocess.Popen[bytes], patience: float = 10.0) -> None:
    """End the whole group: kindly first, and what is left of it by force."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(patience)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
