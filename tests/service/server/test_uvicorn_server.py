"""A real server, asked in ways that only sockets allow, and by the command."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from graft.errors import BodyTooLarge
from service import Client
from tests.support.fakes import picture, tiny_bundle
from tests.support.service.server_process import SERVE, Running, running
from tests.support.wait import until

HEAVY = ("tensorflow", "keras", "torch", "sklearn", "onnx", "tf2onnx", "h5py")
OTHER_PACKAGES = ("zoo", "finetune")  # of ours: the server knows only the floor, so no downloader and no conversion
# `serve` that prints which of these modules are loaded whenever the signal USR1 comes.
SPYING = f"""
import signal, sys
def spy(*_):
    print("loaded:", [name for name in {HEAVY + OTHER_PACKAGES} if name in sys.modules], file=sys.stderr, flush=True)
signal.signal(signal.SIGUSR1, spy)
{SERVE}
"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server for the tests that change nothing."""
    models = tiny_bundle(tmp_path_factory.mktemp("shared") / "models").layout.root.parents[1]
    with running(models) as server:
        yield server


def raw(port: int, request: bytes) -> bytes:
    """Send bytes as they are, and return everything that comes back."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as line:
        line.sendall(request)
        answer = b""
        while piece := line.recv(65536):
            answer += piece
    return answer


def test_server_answers_a_plain_socket(shared: Running) -> None:
    image = picture("red")
    head = (
        f"POST /v1/models/tiny:predict HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(image)}\r\n\r\n"
    )
    answer = raw(shared.port, head.encode() + image)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["model"] == "tiny"


@pytest.mark.parametrize(
    "target",
    [
        b"/v1/models/%252e%252e%252ftiny:predict",
        b"/v1/models/../models/tiny:predict",
        b"/v1/models/%2e%2e%2f%2e%2e%2fetc%2fpasswd:predict",
        b"/v1/models/tiny/versions/..%2f1:predict",
        b"//v1/models/tiny:predict",
        b"http://x/v2/health/live/../../v1/models/nobody:predict",
    ],
)
def test_server_path_traversal_is_404(shared: Running, target: bytes) -> None:
    answer = raw(
        shared.port, b"POST " + target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx"
    )
    assert answer.split(b" ")[1] == b"404"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (b"Content-Length: 9999999999999\r\n\r\n", b"413"),
        (b"Content-Length: 99999999999999999999\r\n\r\n", b"400"),  # more than 64 bits
        (b"Content-Length: -1\r\n\r\n", b"400"),
        (b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"400"),
        (b"Transfer-Encoding: chunked\r\n\r\n11000000\r\n" + b"x" * 100_000 + b"\r\n" * 9, b"400"),
        (b"X: " + b"y" * 1_000_000 + b"\r\n\r\n", b"431"),
        (b"X: y\r\n" * 200_000, b"431"),
        (b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 200_000, b"431"),
        (b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"X: y\r\n" * 200_000, b"431"),
    ],
)
def test_server_false_content_length_is_refused(shared: Running, headers: bytes, status: bytes) -> None:
    with socket.create_connection(("127.0.0.1", shared.port), timeout=20) as line:
        with suppress(ConnectionError):  # the server does not read floods to their end
            line.sendall(b"POST /v1/models/tiny:predict HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + headers)
        if b"11000000" not in headers:  # this one never ends; the server must not wait for it here
            assert line.recv(1000).split(b" ")[1] == status
    with Client(shared.url) as client:
        assert client.models() == ["tiny"]


@pytest.mark.parametrize("sent", [b"X: y", b"Content-Length: 9\r\n\r\nxx", b"Transfer-Encoding: chunked\r\n\r\n1\r\nx"])
def test_server_stalled_upload_times_out_with_408(models: Path, sent: bytes) -> None:
    with (
        running(models, GRAFT_UPLOAD="0.3") as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=20) as line,
    ):
        line.sendall(b"POST /v1/models/tiny:predict HTTP/1.1\r\nHost: x\r\n" + sent)
        answer = b"".join(iter(lambda: line.recv(1000), b""))
        assert answer.split(b" ")[1] == b"408"
        assert json.loads(answer.split(b"\r\n\r\n")[1])["code"] == "request_timeout"
        with Client(server.url) as client:  # a request that is whole may take longer
            assert client.models() == ["tiny"]


def test_server_too_large_body_is_413(shared: Running) -> None:
    with Client(shared.url) as client, pytest.raises(BodyTooLarge, match="16,777,216"):
        client.predict("tiny", b"\xff" * (20 << 20))


def test_predict_command_against_a_real_server(shared: Running, tmp_path: Path) -> None:
    (tmp_path / "red.png").write_bytes(picture("red"))
    (tmp_path / "text.png").write_bytes(b"hello")

    def predict(*arguments: str) -> subprocess.CompletedProcess[str]:
        code = "from service.cli import predict_main; predict_main()"
        command = [sys.executable, "-c", code, "tiny", *arguments, "--url", shared.url]
        # A proxy of the environment is not asked about this machine.
        proxy = {"HTTP_PROXY": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}
        return subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, check=False, env=os.environ | proxy
        )

    table = predict("red.png", "text.png")
    assert table.returncode == 1
    assert re.search(r"^red\.png +\w+ [\d.]+%  \w+ [\d.]+%  \w+ [\d.]+%$", table.stdout, re.MULTILINE)
    assert "text.png  error: these 5 bytes are text" in table.stdout
    answer = predict("red.png", "--json", "--top", "2")
    assert answer.returncode == 0
    (row,) = json.loads(answer.stdout)["predictions"]
    assert (row["file"], len(row["top"])) == ("red.png", 2)


def test_serving_imports_no_training_framework_and_no_zoo(models: Path) -> None:
    with running(models, SPYING) as server:
        with Client(server.url) as client:
            client.predict("tiny", picture())
        server.process.send_signal(signal.SIGUSR1)
        until(lambda: "loaded: [" in server.log)
        assert "loaded: []" in server.log
