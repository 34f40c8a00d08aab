"""The order of versions: once a newer version of a model has answered, no older one does."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

from service.models.model import Model


class VersionOrder:
    """Counts the requests under way by model and version; belongs to one event loop."""

    def __init__(self) -> None:
        self._active_requests: Counter[tuple[str, int]] = Counter()
        self._request_end = asyncio.Event()

    def begin_request(self, name: str, version: int) -> None:
        """Count a request that this version of a model answers."""
        self._active_requests[name, version] += 1

    def end_request(self, name: str, version: int) -> None:
        """Count it no more: its answer is there, or it failed."""
        self._active_requests[name, version] -= 1
        if not self._active_requests[name, version]:
            del self._active_requests[name, version]
            self._request_end.set()

    async def wait_for_older_versions(self, name: str, version: int) -> None:
        """Return when no older version of the model has a request under way."""
        await self._wait_while(lambda one, older: one == name and older < version)

    async def wait_for_all_requests(self, name: str) -> None:
        """Return when no version of the model has a request under way."""
        await self._wait_while(lambda one, _: one == name)

    async def _wait_while(self, is_blocking: Callable[[str, int], bool]) -> None:
        while any(is_blocking(*one) for one in self._active_requests):
            self._request_end.clear()
            await self._request_end.wait()


class ModelLease:
    """`async with`: gives the model of a request, and is left when no older version has an answer to give.

    A class, as it is entered for every request: `asynccontextmanager` takes three times as long.
    """

    __slots__ = ("_model", "_order")

    def __init__(self, order: VersionOrder, model: Model) -> None:
        self._order, self._model = order, model

    async def __aenter__(self) -> Model:
        self._order.begin_request(self._model.name, self._model.version)
        return self._model

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._order.end_request(self._model.name, self._model.version)
        if kind is None:
            await self._order.wait_for_older_versions(self._model.name, self._model.version)
