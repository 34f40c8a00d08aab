"""What the server says and does holds for all of it: versions in order, loads that are done when they are answered."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from service.routes.fast_routes import FastRouteApp
from tests.support.fakes import FakeEngine, picture, tiny_bundle
from tests.support.service.server_process import running
from tests.support.service.serving import Serving
from tests.support.wait import until

PREDICT = "/v1/models/tiny:predict"
LOAD, UNLOAD = "/v2/repository/models/tiny/load", "/v2/repository/models/tiny/unload"
REQUESTS, LINES = 1000, 8


def version(http: TestClient) -> int:
    return int(http.post(PREDICT, content=picture("gray")).json()["version"])


def test_versions_never_go_back_under_load(models: Path) -> None:
    """1,000 requests over eight connections while versions are published, on a real server with two workers."""
    import httpx2

    replies: list[int] = []
    telling = threading.Lock()
    with running(models, GRAFT_WORKERS="2", GRAFT_POLL="0.02") as server, httpx2.Client(timeout=60) as http:
        until(lambda: http.get(f"{server.url}/v2/health/ready").status_code == 200)

        def ask(number: int) -> None:
            if number % 100 == 50:
                tiny_bundle(models, seed=number)
            known = max(replies, default=0)  # whoever asks after a reply was heard ...
            told = http.post(f"{server.url}{PREDICT}", content=picture((number % 256, 0, 0))).json()["version"]
            with telling:
                replies.append(told)
            assert told >= known  # ... gets no older one

        with ThreadPoolExecutor(LINES) as pool:
            list(pool.map(ask, range(REQUESTS)))
    assert len(replies) == REQUESTS
    assert len(set(replies)) > 3


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The versions of the answers in the order the server gave them away: clients may hear another."""
    versions: list[int] = []
    answer = FastRouteApp.__call__

    async def noting(app: FastRouteApp, scope: Scope, receive: Receive, send: Send) -> None:
        async def note(message: Message) -> None:
            if scope["type"] == "http" and scope["path"] == PREDICT and message["type"] == "http.response.body":
                versions.append(json.loads(message["body"])["version"])
            await send(message)

        await answer(app, scope, receive, note)

    monkeypatch.setattr(FastRouteApp, "__call__", noting)
    return versions


def test_new_version_waits_for_running_answers_of_the_old(serving: Serving, models: Path, sent: list[int]) -> None:
    """Two workers: one is slow with version 1, and the other could answer with version 2 at once."""
    engine, go_on, newer = FakeEngine(), threading.Event(), threading.Event()
    http = serving(engine, workers=2)
    engine.before = lambda: go_on.wait(30)  # type: ignore[assignment,return-value]
    with ThreadPoolExecutor(2) as pool:
        old = pool.submit(version, http)
        until(lambda: http.app.state.service.workers.idle_threads == 1)  # type: ignore[attr-defined]
        tiny_bundle(models, seed=1)
        until(lambda: http.get("/v1/models/tiny/metadata").json()["version"] == 2)
        engine.before = newer.set
        new = pool.submit(version, http)
        until(newer.is_set)
        until(lambda: http.app.state.service.models.version_order.running_requests == 1)  # type: ignore[attr-defined]
        assert not new.done()
        assert not sent
        go_on.set()
        assert (old.result(30), new.result(30)) == (1, 2)
    assert sent == [1, 2]


def test_model_load_is_complete_when_answered(serving: Serving, models: Path) -> None:
    http = serving(poll=3600)
    assert version(http) == 1
    tiny_bundle(models, seed=1)
    assert version(http) == 1  # the next look is far away
    assert http.post(LOAD).json() == {}
    assert version(http) == 2


def test_model_unload_lasts_until_a_load(serving: Serving) -> None:
    http = serving()
    assert http.post(UNLOAD).json() == {}
    gone = http.post(PREDICT, content=picture())
    assert (gone.status_code, gone.json()["code"]) == (404, "unknown_model")
    assert http.get("/v1/models").json()["models"] == []
    until(lambda: http.get("/v2/health/ready").status_code == 503)
    assert http.post(UNLOAD).status_code == 404
    assert http.post(LOAD).status_code == 200
    assert version(http) == 1


def test_model_load_of_an_unknown_model_is_404(serving: Serving, models: Path) -> None:
    http = serving()
    answer = http.post("/v2/repository/models/nobody/load")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_model")
    assert "tiny" in answer.json()["error"]
    (models / "broken" / "1").mkdir(parents=True)
    assert http.post("/v2/repository/models/broken/load").status_code in (404, 503)


def test_model_unload_waits_for_running_answers(serving: Serving) -> None:
    engine, go_on = FakeEngine(), threading.Event()
    http = serving(engine)
    engine.before = lambda: go_on.wait(30)  # type: ignore[assignment,return-value]
    with ThreadPoolExecutor(2) as pool:
        asked = pool.submit(version, http)
        until(lambda: http.app.state.service.models.version_order.running_requests == 1)  # type: ignore[attr-defined]
        unloaded = pool.submit(http.post, UNLOAD)
        until(lambda: http.get("/v1/models").json()["models"] == [])
        assert not unloaded.done()
        go_on.set()
        assert asked.result(30) == 1
        assert unloaded.result(30).status_code == 200


def test_metrics_count_requests_of_every_worker(serving: Serving) -> None:
    http = serving(workers=2)
    for _ in range(20):
        http.post(PREDICT, content=picture())
    assert 'graft_request_seconds_count{model="tiny",version="1"} 20.0' in http.get("/metrics").text
