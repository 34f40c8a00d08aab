"""Body size: read a request's body up to the limit, and refuse the rest with 413 without reading it.

Compressed bodies are refused (415): a few bytes could become very many.
"""

from __future__ import annotations

from fastapi import Request
from starlette.requests import ClientDisconnect

from graft.errors import BadRequest, BodyTooLarge, WrongContentType


async def receive_body(request: Request, max_bytes: int) -> bytes:
    """Read the whole body, at most `max_bytes` bytes.

    Raises:
        WrongContentType: it is compressed.
        BodyTooLarge: it is longer than allowed; it is not read to its end.
        BadRequest: the Content-Length is not a number.
        ClientDisconnect: the client hung up before the end.
    """
    headers = request.headers
    if (encoding := headers.get("content-encoding", "")) and encoding.strip().lower() != "identity":
        raise WrongContentType(f"bodies with Content-Encoding {encoding!r} are not accepted. Send it uncompressed.")
    check_body_size(parse_content_length(headers.get("content-length", "0")), max_bytes)
    parts, more, size = [], True, 0
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        part, more = message.get("body", b""), message.get("more_body", False)
        size += len(part)
        check_body_size(size, max_bytes)
        if part:  # joining a single part does not copy it
            parts.append(part)
    return b"".join(parts)


def check_body_size(size: int, max_bytes: int) -> None:
    """Check the size of a body, or of what has arrived of it.

    Raises:
        BodyTooLarge: it is over the limit.
    """
    if size > max_bytes:
        raise BodyTooLarge(
            f"the body has at least {size:,} bytes; at most {max_bytes:,} are allowed. Send a smaller one, or several "
            "requests."
        )


def parse_content_length(header: str) -> int:
    """Return the number of bytes that a Content-Length header declares.

    >>> parse_content_length("1024")
    1024

    Raises:
        BadRequest: it is not a number.
    """
    if not (header.isascii() and header.isdigit()):
        raise BadRequest(f"Content-Length is {header[:50]!r}, which is not a number.")
    return int(header[:18])
