"""What must be refused: each with its code, and the server answers as before."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.support.fakes import picture
from tests.support.service.serving import Serving

PREDICT = "/v1/models/tiny:predict"
MAX_BODY = 100_000


@pytest.fixture
def http(serving: Serving) -> Iterator[TestClient]:
    http = serving(max_body=MAX_BODY, max_images=4)
    before = http.post(PREDICT, content=picture("red"))
    yield http
    after = http.post(PREDICT, content=picture("red"))
    assert (after.status_code, after.content) == (200, before.content)


def png_of(width: int, height: int) -> bytes:
    """A PNG whose header promises much and which holds nothing."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + header
        + struct.pack(">I", zlib.crc32(header))
        + struct.pack(">I", 99)
        + b"IDAT"
    )


def webp_of(width: int, height: int) -> bytes:
    body = (
        b"VP8X"
        + struct.pack("<I", 10)
        + b"\0" * 4
        + (width - 1).to_bytes(3, "little")
        + (height - 1).to_bytes(3, "little")
    )
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        pytest.param(b"", 400, "bad_request", id="empty"),
        pytest.param(b"hello", 400, "not_an_image", id="text"),
        pytest.param(b"\0\0\0\x18ftypheic" + b"\0" * 50, 400, "not_an_image", id="heic"),
        pytest.param(b"II*\0" + b"\0" * 50, 400, "not_an_image", id="tiff"),
        pytest.param(picture("red", (200, 200), "JPEG")[:400], 400, "broken_image", id="truncated"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + b"\xff" * 99, 400, "broken_image", id="garbage"),
        pytest.param(png_of(60_000, 60_000), 413, "too_many_pixels", id="png-bomb"),
        pytest.param(webp_of(16_000, 16_000), 413, "too_many_pixels", id="webp-bomb"),
        pytest.param(b"\xff" * (MAX_BODY + 1), 413, "body_too_large", id="too-large"),
    ],
)
def test_bad_image_is_refused_on_every_route(http: TestClient, body: bytes, status: int, code: str) -> None:
    answers = [http.post(PREDICT, content=body), http.post("/v1/models/tiny:embed", content=body)]
    if body and code != "body_too_large":
        answers.append(http.post(PREDICT, files={"image": body}))
        answers.append(http.post(PREDICT, json={"instances": [{"b64": base64.b64encode(body).decode()}]}))
    assert [(one.status_code, one.json()["code"]) for one in answers] == [(status, code)] * len(answers)


def test_bad_image_in_a_batch_is_named_by_its_position(http: TestClient) -> None:
    answer = http.post(PREDICT, files=[("a", picture()), ("b", b"hello"), ("c", picture())])
    assert answer.json()["code"] == "not_an_image"
    assert "image 2 of 3" in answer.json()["error"]


def test_endless_body_is_413_without_reading_it_all(http: TestClient) -> None:
    given_out = 0

    def endless() -> Iterator[bytes]:
        nonlocal given_out
        while given_out < 100 * MAX_BODY:
            given_out += 1000
            yield b"\xff" * 1000

    assert http.post(PREDICT, content=endless()).json()["code"] == "body_too_large"


@pytest.mark.parametrize(
    "kind", ["text/plain", "text/html", "video/mp4", "application/xml", "multipart/mixed", "x", "\xff"]
)
def test_wrong_content_type_is_415(http: TestClient, kind: str) -> None:
    answer = http.post(PREDICT, content=picture(), headers={"Content-Type": kind.encode("latin-1")})
    assert (answer.status_code, answer.json()["code"]) == (415, "wrong_content_type")


def test_compressed_body_is_415(http: TestClient) -> None:
    answer = http.post(PREDICT, content=zlib.compress(picture()), headers={"Content-Encoding": "deflate"})
    assert (answer.status_code, answer.json()["code"]) == (415, "wrong_content_type")


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", b"--x--"),
        ("multipart/form-data; boundary=", b"--x--"),
        ("multipart/form-data; boundary=x", b"--x--"),
        ("multipart/form-data; boundary=x", b"hello"),
        ("multipart/form-data; boundary=x", b"--x\r\n"),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nhel'),
        ("multipart/form-data; boundary=x", b"--x\r\nA: " + b"a" * 50_000 + b"\r\n\r\nhello\r\n--x--\r\n"),
        ("multipart/form-data; boundary=x", b"--x\r\n" + b"A: b\r\n" * 50 + b"\r\nhello\r\n--x--\r\n"),
        ("multipart/form-data; boundary=x", b"--x\r\nA: b\r\n\r\nhi\r\n" * 5 + b"--x--\r\n"),
        ("multipart/form-data; boundary=" + "x" * 300, b"--x--"),
    ],
)
def test_malformed_multipart_is_400(http: TestClient, kind: str, body: bytes) -> None:
    answer = http.post(PREDICT, content=body, headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request"), answer.text


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("POST", "/v1/models/nobody:predict", 404, "unknown_model"),
        ("GET", "/v1/models/nobody", 404, "unknown_model"),
        ("GET", "/v1/models/nobody/metadata", 404, "unknown_model"),
        ("POST", "/v1/models/tiny/versions/7:predict", 404, "unknown_version"),
        ("POST", "/v1/models/tiny/versions/x:predict", 404, "unknown_version"),
        ("POST", "/v1/models/tiny:predict?top=0", 400, "bad_request"),
        ("POST", "/v1/models/tiny:predict?top=101", 400, "bad_request"),
        ("POST", "/v1/models/tiny:predict?top=x", 400, "bad_request"),
        ("POST", "/v1/models/tiny:explain", 405, "method_not_allowed"),
        ("DELETE", "/v1/models/tiny", 405, "method_not_allowed"),
        ("GET", "/", 404, "not_found"),
        ("GET", "/docs", 404, "not_found"),
        ("GET", "/v1/models/", 404, "not_found"),
        ("GET", "/openapi.json", 404, "not_found"),
        ("GET", "/v1/models/tiny/report.html", 404, "not_found"),
        ("GET", "/v1/models/tiny/1/manifest.json", 404, "not_found"),
        ("POST", "/v1/models/%2e%2e%2ftiny:predict", 404, "not_found"),
        ("POST", "/v1/models/%2e%2e:predict", 404, "unknown_model"),
        ("POST", "/v1/models/..%5ctiny:predict", 404, "unknown_model"),
        ("POST", "/v1/models/tiny%00:predict", 404, "unknown_model"),
        ("POST", "/v1/models/.trunks:predict", 404, "unknown_model"),
        ("POST", "/v1/models/tiny/versions/%2e%2e:predict", 404, "unknown_version"),
        ("POST", "/v1/models/tiny/versions/1%2f..:predict", 404, "not_found"),
        ("POST", "/v1/models/tiny;x=1:predict", 404, "unknown_model"),
    ],
)
def test_bad_path_version_or_query_is_refused(http: TestClient, method: str, path: str, status: int, code: str) -> None:
    answer = http.request(method, path, content=picture() if method == "POST" else None)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.json()["error"]


@pytest.mark.parametrize("length", ["-1", "x", "1_000", "9" * 400])
def test_malformed_content_length_is_refused(http: TestClient, length: str) -> None:
    answer = http.post(PREDICT, content=picture(), headers={"Content-Length": length})
    assert answer.json()["code"] in ("bad_request", "body_too_large")


def test_refused_request_leaves_no_file(http: TestClient, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    http.post(PREDICT, files={"image": b"\xff" * (MAX_BODY - 1000)})
    assert sorted(tmp_path.rglob("*")) == before
