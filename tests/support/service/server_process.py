"""A real server in a process of its own, on a free port of loopback."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.wait import until

SERVE = "from service.cli import serve_main; serve_main()"


class Running:
    """One server process."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self.process, self._log = process, log
        until(lambda: "http://" in self.log or process.poll() is not None)
        found = re.search(r"http://127\.0\.0\.1:(\d+)", self.log)
        assert found, self.log
        self.url, self.port = found[0], int(found[1])

    @property
    def log(self) -> str:
        return self._log.read_text()

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(30)


@contextmanager
def running(models: Path, code: str = SERVE, **environment: str) -> Iterator[Running]:
    log = models.parent / "serve.log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-c", code, "--models", models, "--port", "0"],
            stderr=file,
            text=True,
            env=os.environ | {"GRAFT_POLL": "0.05", "GRAFT_DRAIN": "0.2"} | environment,
        )
    try:
        yield Running(process, log)
    finally:
        process.kill()
        process.wait()
