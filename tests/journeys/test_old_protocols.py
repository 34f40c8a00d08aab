"""Bundles that earlier versions of Graft wrote are opened, replayed and served: one repository for each protocol.

Protocol 1 was written by commit 28c56f6: `tiny` takes images, `topics` takes texts.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from graft.bundle.manifest import PROTOCOL
from service.server.app import create_app
from service.settings import Settings
from tests.support.fakes import picture
from tests.support.paths import REPOSITORY
from tests.support.wait import until

PROTOCOLS = REPOSITORY / "tests/graft/bundle/protocols"


@pytest.mark.parametrize("protocol", range(1, PROTOCOL + 1))
def test_bundles_of_every_protocol_are_replayed_and_served(protocol: int, tmp_path: Path) -> None:
    shutil.copytree(PROTOCOLS / str(protocol), tmp_path / "models")
    with TestClient(create_app(Settings(models=tmp_path / "models"))) as client:
        until(lambda: client.get("/v2/health/ready").is_success)
        image = client.post("/v1/models/tiny:predict", content=picture("red"), headers={"Content-Type": "image/png"})
        text = client.post("/v1/models/topics:predict", content="red", headers={"Content-Type": "text/plain"})
    for response in (image, text):  # served only if the golden samples repeat what the old version recorded
        assert response.json()["version"] == 1
        assert response.json()["predictions"][0]["label"] in ("red", "green", "blue")
