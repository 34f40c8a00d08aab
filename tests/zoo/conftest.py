"""A mirror on loopback that fetches come from, in a folder of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.zoo import tiny
from tests.zoo.packs import NET, PRESET, Go
from tests.zoo.servers import FaultyServer, faulty_server
from zoo import download
from zoo.backbone import get_backbone
from zoo.packing import pack_weights
from zoo.progress import SilentProgress


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyServer]:
    """A server, set as the mirror, that has the tiny weights."""
    monkeypatch.setattr(download, "_RETRY_DELAYS", (0.0, 0.0, 0.0))
    with faulty_server() as server:
        server.files[tiny.PATH] = tiny.DATA
        monkeypatch.setenv("GRAFT_MIRROR", server.url)
        yield server


@pytest.fixture
def team(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a team's project; the test stands in it."""
    folder = tmp_path / "team"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Go:
    """Move to a machine with an empty cache and no network."""

    def go() -> None:
        monkeypatch.setenv("GRAFT_CACHE", str(tmp_path / "elsewhere"))
        monkeypatch.setenv("GRAFT_OFFLINE", "1")

    return go


@pytest.fixture
def packed(mirror: FaultyServer, tmp_path: Path, elsewhere: Go) -> Path:
    """A small pack, and a machine that has nothing of it."""
    mirror.files |= {**tiny.mirrored(NET), **tiny.mirrored(PRESET)}
    path = tmp_path / "weights.tar"
    pack_weights([get_backbone(NET), get_backbone(PRESET)], path, SilentProgress(), trunks=False)
    elsewhere()
    return path
