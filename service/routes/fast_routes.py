"""FastAPI with a short way in for what is asked most: its plain POST routes, without the layers before them.

What the routes share: the service, the model that a path names, the body, the client at the other end.

Plain functions of the request: FastAPI's dependencies cost some 200 µs a request, as much as all the rest of a reply.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any, Self, cast

from fastapi import FastAPI, Request, Response
from pydantic import BaseModel
from pydantic_core import to_json
from starlette.requests import ClientDisconnect
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from graft.errors import BadRequest, BodyTooLarge
from service.inference.service import Service
from service.inference.worker_pool import DisconnectCheck
from service.limits.http_limits import CONNECTION_KEY
from service.models.model import Model
from service.routes.samples_from_body import check_content_encoding

Endpoint = Callable[[Request], Awaitable[Response]]


class FastRouteApp(FastAPI):
    """An application whose `add_fast_route` routes cost 90 µs instead of 170: docs/serving.md has the profile."""

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401  # FastAPI's business
        super().__init__(**settings)
        self._fast_routes: list[tuple[Route, Endpoint]] = []

    def add_fast_route(self, path: str, endpoint: Endpoint) -> None:
        """Let `endpoint` answer what is posted to `path`; errors are told by the handlers of the application."""
        self.add_route(path, endpoint, methods=["POST"])  # for all that is said of routes: 405, their list
        self._fast_routes.append((Route(path, endpoint, methods=["POST"]), endpoint))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http" and scope["method"] == "POST":
            for route, endpoint in self._fast_routes:
                if found := route.path_regex.match(scope["path"]):
                    scope["app"], scope["path_params"] = self, found.groupdict()
                    response = await self._call_endpoint(endpoint, Request(scope, receive))
                    await response(scope, receive, send)
                    return
        await super().__call__(scope, receive, send)

    async def _call_endpoint(self, endpoint: Endpoint, request: Request) -> Response:
        try:
            return await endpoint(request)
        except Exception as error:
            handlers: dict[Any, Any] = self.exception_handlers
            handle = next(handlers[kind] for kind in type(error).__mro__ if kind in handlers)
            response: Response = await handle(request, error)
            return response


def get_service(request: Request) -> Service:
    """Return the service that a request came to."""
    return cast(Service, request.app.state.service)


@dataclass(slots=True)
class ModelRef:
    """The model that the path names; its newest version where it names none."""

    service: Service
    name: str
    version: str | None

    @classmethod
    def from_request(cls, request: Request) -> Self:
        """Read the path of a request."""
        return cls(get_service(request), request.path_params["name"], request.path_params.get("version"))

    def get_model(self) -> Model:
        """Return it as it is now; raises as `Models.get` does."""
        return self.service.models.get(self.name, self.version)

    def lease_model(self) -> AbstractAsyncContextManager[Model]:
        """Give the one that answers a request whose body is read; see `Service.using`."""
        return self.service.lease_model(self.name, self.version)


async def receive_body(request: Request) -> bytes:
    """Read a body to its end.

    Raises:
        WrongContentType: it is compressed.
        BodyTooLarge: it is longer than the server takes; it is not read to its end.
        BadRequest: its length is no number.
        ClientDisconnect: the client hung up before its end.
    """
    check_content_encoding(request.headers.get("content-encoding", ""))
    max_bytes = get_service(request).settings.max_body
    _check_body_size(_parse_content_length(request.headers.get("content-length", "0")), max_bytes)
    parts, more, size = [], True, 0
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        part, more = message.get("body", b""), message.get("more_body", False)
        size += len(part)
        _check_body_size(size, max_bytes)
        if part:  # a body of one part, and perhaps an empty one, is not copied once more
            parts.append(part)
    return b"".join(parts)


def get_disconnect_check(request: Request) -> DisconnectCheck:
    """Return what tells, on any thread, whether the client of a request hung up.

    `service.limits.http_limits` knows; under any other server nobody ever does.
    """
    connection = request.scope.get("extensions", {}).get(CONNECTION_KEY)
    return _never_disconnected if connection is None else partial(getattr, connection, "is_disconnected")


def json_response(answer: BaseModel | Mapping[str, Any]) -> Response:
    """Return an answer, a schema or plain facts and dataclasses, as it goes out."""
    return Response(to_json(answer), media_type="application/json")


def _check_body_size(size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise BodyTooLarge(
            f"the body has {size:,} bytes or more; allowed are {max_bytes:,}. Send a smaller one, or several requests."
        )


def _parse_content_length(declared: str) -> int:
    if not (declared.isascii() and declared.isdigit()):
        raise BadRequest(f"Content-Length is {declared[:50]!r}, which is no number.")
    return int(declared[:18])


def _never_disconnected() -> bool:
    return False
