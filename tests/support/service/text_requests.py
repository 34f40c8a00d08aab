"""Requests with texts for the tiny text model."""

from __future__ import annotations

from typing import Any

from starlette.testclient import TestClient

PREDICT, EMBED = "/v1/models/topics:predict", "/v1/models/topics:embed"
TEXT = "the good cat rose"


def post(http: TestClient, body: bytes | str, kind: str | None = "text/plain", path: str = PREDICT) -> Any:
    return http.post(path, content=body, headers={"Content-Type": kind} if kind is not None else {})
