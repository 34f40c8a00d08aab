"""FastAPI with a short way in for what is asked most: its plain POST routes, without the layers before them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

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
