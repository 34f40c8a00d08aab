"""Every test has a cache of its own, and no setting of the person who runs it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _own_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("GRAFT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GRAFT_CACHE", str(tmp_path / "cache"))
