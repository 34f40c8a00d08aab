"""A server that is overloaded, swaps models, has none to serve, or stops."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from httpx2 import Response
from starlette.testclient import TestClient

from graft.runtime.cpu_threads import available_cores
from tests.support.fakes import FakeEngine, picture, tiny_bundle
from tests.support.service.serving import Serving
from tests.support.wait import until

PREDICT = "/v1/models/tiny:predict"
RED = picture("red")


@contextmanager
def busy(http: TestClient, engine: FakeEngine, requests: int) -> Iterator[list[Future[Response]]]:
    """Keep so many requests under way for as long as the block lasts."""
    go_on = threading.Event()
    engine.before = lambda: go_on.wait(30)  # type: ignore[assignment,return-value]
    with ThreadPoolExecutor(requests) as pool:
        waiting = [pool.submit(http.post, PREDICT, content=picture("gray")) for _ in range(requests)]
        service = http.app.state.service  # type: ignore[attr-defined]
        until(lambda: service.admission.sample_count == requests)
        try:
            yield waiting
        finally:
            go_on.set()


def test_overload_is_429_with_retry_after_and_loses_no_admitted_request(serving: Serving) -> None:
    engine = FakeEngine()
    http = serving(engine, max_waiting=3)
    full = available_cores() + 3
    with busy(http, engine, full) as waiting:
        for _ in range(3):
            refused = http.post(PREDICT, content=picture("gray"))
            assert (refused.status_code, refused.json()["code"]) == (429, "overloaded")
            assert refused.headers["retry-after"] == "1"
        assert http.get("/v2/health/live").json() == {"live": True}
        assert http.get("/v2/health/ready").json() == {"ready": True}
        assert http.get("/v1/models/tiny").status_code == 200
    assert [one.result().status_code for one in waiting] == [200] * full
    assert http.post(PREDICT, content=picture("gray")).status_code == 200


def test_running_request_is_answered_by_its_old_version(serving: Serving, models: Path) -> None:
    engine = FakeEngine()
    http = serving(engine)
    with busy(http, engine, 1) as waiting:
        tiny_bundle(models, seed=1)
        until(lambda: http.get("/v1/models/tiny/metadata").json()["version"] == 2)
    assert waiting[0].result().json()["version"] == 1
    assert http.post(PREDICT, content=picture("gray")).json()["version"] == 2


def test_readiness_needs_a_model_and_ends_with_shutdown(serving: Serving, models: Path) -> None:
    shutil.move(models / "tiny", models.parent / "tiny")
    http = serving(wait=False)
    until(lambda: "no model to serve" in http.get("/v2/health/ready").text)
    assert http.get("/v2/health/ready").status_code == 503
    shutil.move(models.parent / "tiny", models / "tiny")
    until(lambda: http.get("/v2/health/ready").status_code == 200)
    http.app.state.service.stopping = True  # type: ignore[attr-defined]
    assert "stopping" in http.get("/v2/health/ready").json()["error"]
    assert http.get("/v2/health/live").status_code == 200
    assert http.post(PREDICT, content=RED).status_code == 200


def test_model_with_only_refused_versions_says_why(serving: Serving, models: Path) -> None:
    (models / "tiny" / "1" / "head.onnx").write_bytes(b"")
    http = serving(wait=False)
    until(lambda: http.get("/v1/models/tiny").json().get("ready") is False)
    status = http.get("/v1/models/tiny")
    assert status.status_code == 503
    (version,) = status.json()["model_version_status"]
    assert (version["state"], version["status"]["error_code"]) == ("END", "FAILED_PRECONDITION")
    assert "does not match the manifest" in version["status"]["error_message"]
    assert str(models) not in status.text
    answer = http.post(PREDICT, content=RED)
    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "not_ready", "1")


def test_repository_watch_survives_a_fault_and_logs_it_once(
    serving: Serving, models: Path, caplog: pytest.LogCaptureFixture
) -> None:
    http = serving()
    models.rename(models.with_name("unmounted"))
    until(lambda: "still served" in caplog.text)
    assert http.post(PREDICT, content=RED).status_code == 200
    models.with_name("unmounted").rename(models)
    tiny_bundle(models, seed=1)
    until(lambda: http.get("/v1/models/tiny/metadata").json()["version"] == 2)
    assert caplog.text.count("still served") == 1
