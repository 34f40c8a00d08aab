"""The child process of a build: its error reaches the caller."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from graft.errors import TrunkError, WeightsError
from zoo.convert.process import child_process


@pytest.mark.parametrize(
    ("ends", "kind", "message"),
    [
        (
            f"os.kill(os.getpid(), {signal.SIGKILL:d})",
            TrunkError,
            "built: the system killed it, probably out of memory",
        ),
        ("sys.exit('no such layer')", TrunkError, "built: no such layer"),
        ("print('they lack a layer', file=sys.stderr); sys.exit(12)", WeightsError, "built: they lack a layer"),
        ("sys.exit(3)", TrunkError, "built: exit status 3, no error output"),
    ],
)
def test_convert_child_process_failure_is_reported(
    ends: str, kind: type[Exception], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "ends_so.py").write_text(f"import os, sys\n{ends}\n")
    with pytest.raises(kind, match=message):
        child_process.run_module("ends_so", [], "the trunk could not be built: ")
