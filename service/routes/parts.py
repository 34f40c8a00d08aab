"""What the routes share: the service, the model that a path names, the body, the client at the other end.

Plain functions of the request: FastAPI's dependencies cost some 200 µs a request, as much as all the rest of a reply.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Self, cast

from fastapi import Request, Response
from pydantic import BaseModel

from service.bodies import check_encoding
from service.core import Service
from service.model import Model
from service.waiting import HungUp


def service_of(request: Request) -> Service:
    """Return the service that a request came to."""
    return cast(Service, request.app.state.service)


@dataclass(frozen=True, slots=True)
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
        BodyTooLarge: it is longer than the server takes.
    """
    check_encoding(request.headers.get("content-encoding", ""))
    return await request.body()


def hang_up_of(request: Request) -> HungUp:
    """Return what waits until the client of a request, whose body is read, hangs up."""

    async def hung_up() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    return hung_up


def as_json(answer: BaseModel) -> Response:
    """Return an answer as it goes out."""
    return Response(answer.model_dump_json(), media_type="application/json")
