"""What the routes share: the service, the model that a path names, the body, the client at the other end.

Plain functions of the request: FastAPI's dependencies cost some 200 µs a request, as much as all the rest of a reply.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any, Self, cast

from fastapi import Request, Response
from pydantic import BaseModel
from pydantic_core import to_json
from starlette.requests import ClientDisconnect

from service.bodies import check_encoding
from service.core import Service
from service.model import Model
from service.protocol import CONNECTION
from service.waiting import Gone
from zoo.errors import BadRequest, BodyTooLarge


def service_of(request: Request) -> Service:
    """Return the service that a request came to."""
    return cast(Service, request.app.state.service)


@dataclass(slots=True)
class Named:
    """The model that the path names; its newest version where it names none."""

    service: Service
    name: str
    version: str | None

    @classmethod
    def of(cls, request: Request) -> Self:
        """Read the path of a request."""
        return cls(service_of(request), request.path_params["name"], request.path_params.get("version"))

    def get(self) -> Model:
        """Return it as it is now; raises as `Models.get` does."""
        return self.service.models.get(self.name, self.version)

    def using(self) -> AbstractAsyncContextManager[Model]:
        """Give the one that answers a request whose body is read; see `Service.using`."""
        return self.service.using(self.name, self.version)


async def body_of(request: Request) -> bytes:
    """Read a body to its end.

    Raises:
        WrongContentType: it is compressed.
        BodyTooLarge: it is longer than the server takes; it is not read to its end.
        BadRequest: its length is no number.
        ClientDisconnect: the client hung up before its end.
    """
    check_encoding(request.headers.get("content-encoding", ""))
    most = service_of(request).settings.max_body
    _check_size(_number(request.headers.get("content-length", "0")), most)
    parts, more, size = [], True, 0
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        part, more = message.get("body", b""), message.get("more_body", False)
        size += len(part)
        _check_size(size, most)
        if part:  # a body of one part, and perhaps an empty one, is not copied once more
            parts.append(part)
    return b"".join(parts)


def gone_of(request: Request) -> Gone:
    """Return what tells, on any thread, whether the client of a request hung up.

    `service.protocol` knows; under any other server nobody ever does.
    """
    connection = request.scope.get("extensions", {}).get(CONNECTION)
    return _here if connection is None else partial(getattr, connection, "gone")


def as_json(answer: BaseModel | Mapping[str, Any]) -> Response:
    """Return an answer, a schema or plain facts and dataclasses, as it goes out."""
    return Response(to_json(answer), media_type="application/json")


def _check_size(size: int, most: int) -> None:
    if size > most:
        raise BodyTooLarge(
            f"the body has {size:,} bytes or more; allowed are {most:,}. Send a smaller one, or several requests."
        )


def _number(declared: str) -> int:
    if not (declared.isascii() and declared.isdigit()):
        raise BadRequest(f"Content-Length is {declared[:50]!r}, which is no number.")
    return int(declared[:18])


def _here() -> bool:
    return False
