"""Deny by default: every route but the health ones wants the key."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from httpx2 import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from tests.support.fakes import SIZE, picture
from tests.support.service.serving import Serving
from tests.support.text_fakes import tiny_text_bundle

KEY = "correct horse"
OPEN = {"/v2/health/live", "/v2/health/ready"}


@pytest.fixture
def http(serving: Serving, models: Path) -> TestClient:
    tiny_text_bundle(models)
    return serving(api_key=KEY)


def ask(http: TestClient, method: str, path: str, headers: dict[str, Any]) -> Response:
    """Ask something that is answered with 200 by who may ask it."""
    if path == "/v1/embeddings":
        return http.post(path, headers=headers, json={"input": "the cat", "model": "topics"})
    if path.endswith("/infer"):
        shape = [1, SIZE, SIZE, 3]
        tensor = {"name": "image", "datatype": "UINT8", "shape": shape, "data": [0] * math.prod(shape)}
        return http.post(path, headers=headers, json={"inputs": [tensor]})
    return http.request(method, path, headers=headers, content=picture() if method == "POST" else None)


def code(answer: Response) -> str:
    facts = answer.json()
    return str(facts["code"] if "code" in facts else facts["error"]["code"])


def routes(http: TestClient) -> list[tuple[str, str]]:
    """All of them: those of FastAPI's routers, and Starlette's own."""
    app: Any = http.app
    found = {(method.upper(), path) for path, methods in app.openapi()["paths"].items() for method in methods}
    found |= {(method, route.path) for route in app.routes if isinstance(route, Route) for method in route.methods}
    return [(method, path.replace("{name}", "tiny").replace("{version}", "1")) for method, path in sorted(found)]


def test_auth_test_knows_every_route(http: TestClient) -> None:
    assert len(routes(http)) >= 17
    assert {path for _, path in routes(http)} > OPEN


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Bearer {KEY}x"},
        {"Authorization": f"Basic {KEY}"},
        {"Authorization": KEY},
        {"X-API-Key": ""},
        {"X-API-Key": KEY.upper()},
        {"X-API-Key": "\xff"},
        {"Host": "127.0.0.1/v2/health/live?"},
        {"X-Forwarded-For": "127.0.0.1", "X-Original-URL": "/v2/health/live"},
    ],
)
def test_auth_without_the_key_only_health_answers(http: TestClient, headers: dict[str, str]) -> None:
    raw = {name: value.encode("latin-1") for name, value in headers.items()}
    for method, path in routes(http):
        answer = ask(http, method, path, raw)
        assert answer.status_code == (200 if path in OPEN else 401), (method, path)
        if path not in OPEN:
            assert code(answer) == "unauthorized"
            assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "headers", [{"Authorization": f"Bearer {KEY}"}, {"authorization": f"bearer {KEY}"}, {"X-API-Key": KEY}]
)
def test_auth_with_the_key_every_route_answers(http: TestClient, headers: dict[str, str]) -> None:
    for method, path in routes(http):
        answer = ask(http, method, path, headers)
        assert answer.status_code == 200, (method, path)


def test_auth_is_checked_before_the_model_name(http: TestClient) -> None:
    assert http.post("/v1/models/nobody:predict?top=x").json()["code"] == "unauthorized"
