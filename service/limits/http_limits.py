"""uvicorn's HTTP, with what it leaves open: a cap on all that is no body, and a time for a request to arrive in."""

from __future__ import annotations

import json
from typing import Any, ClassVar, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEADER_BYTES: Final = (
    64 << 10
)  # bytes of a request line with its headers; and of what frames a body, besides its own size
CONNECTION_KEY: Final = "graft.connection"  # where an application finds the connection of a request


class LimitedHttpProtocol(HttpToolsProtocol):
    """One connection. `create_http_protocol` makes the class for a server."""

    seconds: ClassVar[float]  # for a request to arrive in
    max_body: ClassVar[int]  # bytes

    def __init__(self, *args: Any, **keywords: Any) -> None:  # noqa: ANN401  # uvicorn's business
        super().__init__(*args, **keywords)
        self.is_disconnected = False  # whether the client hung up
        self._request_bytes = self._body_bytes = 0  # bytes of this request, and those of them that are its body
        self._request_start: float | None = None  # when the request began that has not arrived whole

    def data_received(self, data: bytes) -> None:
        """Parse what came, unless the request has too much that is no body: headers, chunk sizes, trailers."""
        self._has_begun = False
        super().data_received(data)
        if not self._has_begun:  # else a request began in these bytes, and not all of them are its own
            self._request_bytes += len(data)
        if self._request_bytes - self._body_bytes > MAX_HEADER_BYTES + self._body_bytes:
            self._reject(431, f"the headers, or what frames the body, have more than {MAX_HEADER_BYTES:,} bytes.")

    def on_message_begin(self) -> None:
        """Start the clock."""
        super().on_message_begin()
        self.scope["extensions"] = {CONNECTION_KEY: self}  # type: ignore[dict-item]
        self._request_bytes = self._body_bytes = 0
        self._has_begun, self._request_start = True, self.loop.time()

    def on_body(self, body: bytes) -> None:
        """Take in a part of the body; reading pauses only where it is larger than any that is allowed."""
        self._body_bytes += len(body)
        if not self.cycle.response_complete:
            self.cycle.body += body
            if len(self.cycle.body) > self.max_body:
                self.flow.pause_reading()
            self.cycle.message_event.set()

    def on_message_complete(self) -> None:
        """Stop the clock."""
        self._request_start = None
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Say that whoever works for this client need not begin."""
        self.is_disconnected, self._request_start = True, None
        super().connection_lost(exc)

    def check_timeout(self, now: float) -> None:
        """Hang up if the request has had its time to arrive; called now and then, at the loop's time `now`."""
        if self._request_start is not None and now - self._request_start > self.seconds:
            self._reject(408, f"the request did not arrive within {self.seconds:g} seconds. Send it faster, or less.")

    def _reject(self, status: int, why: str) -> None:
        """Answer what no application sees, if it has not answered yet, and hang up."""
        if self.transport.is_closing():
            return
        if not (self.cycle and self.cycle.response_started and not self.cycle.response_complete):
            self.transport.write(_error_response(status, why))
        self.transport.close()


def create_http_protocol(seconds: float, max_body: int) -> type[LimitedHttpProtocol]:
    """Return the class for a server whose requests have `seconds` to arrive in, and bodies of `max_body` bytes."""
    return type("BoundedHere", (LimitedHttpProtocol,), {"seconds": seconds, "max_body": max_body})


def _error_response(status: int, why: str) -> bytes:
    reason = {408: "Request Timeout", 431: "Request Header Fields Too Large"}[status]
    body = json.dumps({"error": why, "code": reason.lower().replace(" ", "_")}).encode()
    head = f"HTTP/1.1 {status} {reason}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"Connection: close\r\n\r\n" + body
