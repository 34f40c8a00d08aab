"""A repository with one tiny model, and servers for it without sockets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from service.models.engine import Engine
from service.server.app import create_app
from service.settings import Settings
from tests.support.fakes import tiny_bundle
from tests.support.service.serving import Serving
from tests.support.text_fakes import tiny_text_bundle
from tests.support.wait import until


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A repository with version 1 of `tiny`."""
    return tiny_bundle(tmp_path / "models").layout.root.parents[1]


@pytest.fixture
def text_models(models: Path) -> Path:
    """The same with `topics`, `pairs` (of texts) and `headless` (embeds only) besides."""
    tiny_text_bundle(models)
    tiny_text_bundle(models, "pairs", texts=2)
    tiny_text_bundle(models, "headless", task="embed")
    return models


@pytest.fixture
def serving(models: Path) -> Iterator[Serving]:
    """Start a server of `models`, ready; keyword arguments are settings."""
    with ExitStack() as running:

        def start(engine: Engine | None = None, *, wait: bool = True, **settings: Any) -> TestClient:
            app = create_app(Settings(models=models, **{"poll": 0.02, **settings}), engine)
            http = running.enter_context(TestClient(app, raise_server_exceptions=False))
            if wait:
                until(lambda: http.get("/v2/health/ready").status_code == 200)
            return http

        yield start
