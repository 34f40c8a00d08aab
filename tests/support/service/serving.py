"""The type of the fixture `serving`."""

from __future__ import annotations

from collections.abc import Callable

from starlette.testclient import TestClient

Serving = Callable[..., TestClient]
