"""The body cap, for every route at once: what is too large is not read to its end."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from zoo.errors import BadRequest, BodyTooLarge


class BodyLimit:
    """ASGI middleware: whoever reads a body gets BodyTooLarge as soon as it is clear that it is."""

    def __init__(self, app: ASGIApp, max_body: int) -> None:
        """Allow bodies of `max_body` bytes."""
        self._app, self._max_body = app, max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, its `receive` counted."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "0")
        read = 0

        async def counted() -> Message:
            nonlocal read
            if not read:
                self._check(_number(declared))
            message = await receive()
            read += len(message.get("body", b""))
            self._check(read)
            return message

        await self._app(scope, counted, send)

    def _check(self, size: int) -> None:
        if size > self._max_body:
            raise BodyTooLarge(
                f"the body has {size:,} bytes or more; allowed are {self._max_body:,}. Send a smaller one, "
                "or several requests."
            )


def _number(declared: str) -> int:
    if not (declared.isascii() and declared.isdigit()):
        raise BadRequest(f"Content-Length is {declared[:50]!r}, which is no number.")
    return int(declared[:18])
