"""Limits of HTTP itself, which uvicorn leaves open: the size of headers (431), and the time to send a request (408)."""

from __future__ import annotations

import json
from typing import Any, ClassVar, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEADER_BYTES: Final = 64 << 10  # of request line and headers; and of chunk framing, beyond the body's own size
CONNECTION_KEY: Final = "graft.connection"  # of the ASGI extension that holds a request's connection


class LimitedHttpProtocol(HttpToolsProtocol):
    """One connection, with limits; `create_http_protocol` makes the class for a server."""

    upload_timeout: ClassVar[float]  # seconds for a request to arrive
    max_body: ClassVar[int]  # bytes

    def __init__(self, *args: Any, **keywords: Any) -> None:  # noqa: ANN401  # uvicorn's arguments
        super().__init__(*args, **keywords)
        self.is_disconnected = False  # whether the client hung up
        self._request_bytes = self._body_bytes = 0  # of the current request: all its bytes, and those of its body
        self._request_start: float | None = None  # loop time at which a request began that has not arrived whole

    def data_received(self, data: bytes) -> None:
        """Parse received bytes, unless too many of them are not body: headers, chunk sizes, trailers."""
        self._has_begun = False
        super().data_received(data)
        if not self._has_begun:  # otherwise a request began within these bytes, and not all of them are its own
            self._request_bytes += len(data)
        if self._request_bytes - self._body_bytes > MAX_HEADER_BYTES + self._body_bytes:
            self._reject(431, f"headers, or chunk framing, have more than {MAX_HEADER_BYTES:,} bytes. Send fewer.")

    def on_message_begin(self) -> None:
        """Start the clock of a request."""
        super().on_message_begin()
        self.scope["extensions"] = {CONNECTION_KEY: self}  # type: ignore[dict-item]
        self._request_bytes = self._body_bytes = 0
        self._has_begun, self._request_start = True, self.loop.time()

    def on_body(self, body: bytes) -> None:
        """Append to the body; reading is paused only when it is larger than allowed."""
        self._body_bytes += len(body)
        if not self.cycle.response_complete:
            self.cycle.body += body
            if len(self.cycle.body) > self.max_body:
                self.flow.pause_reading()
            self.cycle.message_event.set()

    def on_message_complete(self) -> None:
        """Stop the clock: the request has arrived whole."""
        self._request_start = None
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Mark the client as disconnected, so that its queued work is not begun."""
        self.is_disconnected, self._request_start = True, None
        super().connection_lost(exc)

    def check_timeout(self, now: float) -> None:
        """Close the connection if its request has been arriving for too long; `now` is the loop's time."""
        if self._request_start is not None and now - self._request_start > self.upload_timeout:
            self._reject(
                408, f"the request did not arrive within {self.upload_timeout:g} seconds. Send it faster, or less."
            )

    def _reject(self, status: int, message: str) -> None:
        """Send an error, unless a response is being sent already, and close the connection."""
        if self.transport.is_closing():
            return
        if not (self.cycle and self.cycle.response_started and not self.cycle.response_complete):
            self.transport.write(_error_response(status, message))
        self.transport.close()


def create_http_protocol(upload_timeout: float, max_body: int) -> type[LimitedHttpProtocol]:
    """Return the protocol class for a server: `upload_timeout` in seconds, `max_body` in bytes."""
    limits = {"upload_timeout": upload_timeout, "max_body": max_body}
    return type("ServerHttpProtocol", (LimitedHttpProtocol,), limits)


def _error_response(status: int, message: str) -> bytes:
    reason = {408: "Request Timeout", 431: "Request Header Fields Too Large"}[status]
    body = json.dumps({"error": message, "code": reason.lower().replace(" ", "_")}).encode()
    head = f"HTTP/1.1 {status} {reason}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"Connection: close\r\n\r\n" + body
