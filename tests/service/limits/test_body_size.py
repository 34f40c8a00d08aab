"""Body size: what is over the limit is refused before, or as soon as, it arrives."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from fastapi import Request
from starlette.requests import ClientDisconnect

from graft.errors import BadRequest, BodyTooLarge, WrongContentType
from service.limits.body_size import receive_body


def request_of(parts: Sequence[bytes], ends: bool = True, **headers: str) -> tuple[Request, list[bytes]]:
    """A request whose body comes in `parts`, and those that were read; without an end the client hangs up."""
    read: list[bytes] = []

    async def receive() -> dict[str, object]:
        if len(read) == len(parts):
            return {"type": "http.disconnect"}
        read.append(parts[len(read)])
        return {"type": "http.request", "body": read[-1], "more_body": not ends or len(read) < len(parts)}

    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "headers": raw}, receive), read


def test_body_up_to_the_limit_is_received() -> None:
    request, _ = request_of([b"abc", b"", b"de"])
    assert asyncio.run(receive_body(request, 5)) == b"abcde"


def test_body_over_the_limit_is_not_read_to_its_end() -> None:
    request, read = request_of([b"abc"] * 9)
    with pytest.raises(BodyTooLarge, match=r"at least 6 bytes; at most 5 are allowed"):
        asyncio.run(receive_body(request, 5))
    assert len(read) == 2


def test_body_that_declares_too_much_is_not_read_at_all() -> None:
    request, read = request_of([b"abc"], content_length="6")
    with pytest.raises(BodyTooLarge, match="at least 6 bytes"):
        asyncio.run(receive_body(request, 5))
    assert not read


@pytest.mark.parametrize("length", ["-1", "1_0", "x", "١"])
def test_content_length_must_be_a_number(length: str) -> None:
    scope = {"type": "http", "headers": [(b"content-length", length.encode("utf-8"))]}
    with pytest.raises(BadRequest, match="not a number"):
        asyncio.run(receive_body(Request(scope), 5))


@pytest.mark.parametrize("encoding", ["gzip", "deflate, identity", "x"])
def test_compressed_body_is_refused(encoding: str) -> None:
    request, read = request_of([b"abc"], content_encoding=encoding)
    with pytest.raises(WrongContentType, match="uncompressed"):
        asyncio.run(receive_body(request, 5))
    assert not read


def test_body_with_identity_encoding_is_received() -> None:
    request, _ = request_of([b"abc"], content_encoding=" Identity ")
    assert asyncio.run(receive_body(request, 5)) == b"abc"


def test_body_of_a_disconnected_client() -> None:
    request, _ = request_of([b"abc"], ends=False)
    with pytest.raises(ClientDisconnect):
        asyncio.run(receive_body(request, 5))
