"""A real server under load: new versions, bad versions, and the end, without one request lost."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import numpy as np
import pytest

from graft.errors import UnknownModel, Unreachable
from service import Client
from tests.support.fakes import encode, picture, tiny_bundle
from tests.support.service.server_process import Running, running
from tests.support.wait import until


@pytest.fixture
def server(models: Path) -> Iterator[Running]:
    with running(models) as server:
        yield server


@contextmanager
def asked_all_the_time(server: Running) -> Iterator[list[int]]:
    """Ask from four threads without a pause; gives the versions that answer. No request may fail."""
    answered: list[int] = []
    faults: list[Exception] = []
    over = threading.Event()

    def ask() -> None:
        with httpx2.Client() as http:
            while not over.is_set():
                try:
                    answer = http.post(f"{server.url}/v1/models/tiny:predict", content=picture("red"))
                    assert answer.status_code == 200, answer.text
                    answered.append(answer.json()["version"])
                except Exception as fault:
                    faults.append(fault)
                    return

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        yield answered
    finally:
        over.set()
        for thread in threads:
            thread.join(30)
    assert not faults


def test_reload_under_load_loses_no_request(server: Running, models: Path) -> None:
    with asked_all_the_time(server) as answered:
        until(lambda: 1 in answered)
        for version in range(2, 22):
            tiny_bundle(models, seed=version)
            until(lambda version=version: answered.count(version) >= 10)  # type: ignore[misc]
    assert set(answered) == set(range(1, 22))


def test_reload_refuses_a_tampered_version_under_load(server: Running, models: Path) -> None:
    with asked_all_the_time(server) as answered:
        until(lambda: 1 in answered)
        layout = tiny_bundle(models.parent / "elsewhere", seed=5).layout
        layout.head.write_bytes(layout.head.read_bytes()[:-1])
        layout.root.rename(models / "tiny" / "2")
        until(lambda: "refused: tiny/2" in server.log)
        tiny_bundle(models, seed=6)
        until(lambda: 3 in answered)
    assert set(answered) == {1, 3}


def test_shutdown_on_sigterm_drains_running_requests(models: Path) -> None:
    with running(models, GRAFT_DRAIN="3") as server:
        image = encode(np.zeros((50, 50, 3), np.uint8))
        head = f"POST /v1/models/tiny:predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(image)}\r\n\r\n".encode()
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as slow:
            slow.sendall(head + image[:10])
            server.process.terminate()
            until(lambda: health(server, "ready") == 503)
            assert health(server, "live") == 200
            with Client(server.url, retries=0) as client:  # who comes while it drains is still answered
                assert client.predict("tiny", picture()).label
            until(lambda: not reachable(server.port))
            slow.sendall(image[10:])
            assert slow.recv(100).startswith(b"HTTP/1.1 200 OK")
        assert server.process.wait(30) == 0
        with Client(server.url, retries=0) as client, pytest.raises(Unreachable):
            client.models()


def health(server: Running, what: str) -> int:
    return httpx2.get(f"{server.url}/v2/health/{what}").status_code


def reachable(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True


def test_shutdown_on_sigint_skips_the_drain_delay(models: Path) -> None:
    with running(models, GRAFT_DRAIN="300") as server:
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(30) == 0
        assert "Traceback" not in server.log


def test_empty_repository_is_waited_for(tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    with running(models) as server, Client(server.url, retries=0) as client:
        assert "waiting" in server.log
        assert client.models() == []
        with pytest.raises(UnknownModel, match="none yet"):
            client.predict("tiny", picture())
        tiny_bundle(models)
        until(lambda: client.models() == ["tiny"])
        assert client.predict("tiny", picture()).label
        assert server.stop() == 0
