"""Run a command in a process that may open no socket; its children neither."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.support.paths import REPOSITORY

ROOT: Final = REPOSITORY
# Python runs a module of this name at its start, in child processes too. The hook sees every socket that Python opens.
_GUARD: Final = """
import os, sys

# Not that one is made: whoever refuses to use it may do so only then.
USES = tuple(f"socket.{use}" for use in ("bind", "connect", "sendto", "getaddrinfo", "gethostbyname"))

def guard(event, arguments):
    if event in USES:
        with open(os.environ["GUARD_LOG"], "a") as log:
            log.write(f"{event} {arguments}\\n")
        raise PermissionError(f"{event} {arguments}: no socket may be opened")

sys.addaudithook(guard)
"""


def run(folder: Path, command: str, *words: str) -> tuple[subprocess.CompletedProcess[str], str]:
    """Run `zoo` or `finetune` with the guard; see `run_code`."""
    return run_code(folder, f"from {command}.cli.main import main; main()", *words)


def run_code(folder: Path, code: str, *words: str) -> tuple[subprocess.CompletedProcess[str], str]:
    """Run Python with the guard, which lies in `folder`; return what it said, and the log of attempts."""
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(_GUARD)
    log = folder / "log"
    log.unlink(missing_ok=True)
    path = os.pathsep.join((str(folder), str(ROOT), os.environ.get("PYTHONPATH", "")))
    ran = subprocess.run(
        [sys.executable, "-c", code, *words],
        env=os.environ | {"PYTHONPATH": path, "GUARD_LOG": str(log)},
        capture_output=True,
        text=True,
        check=False,
    )
    return ran, log.read_text() if log.exists() else ""
