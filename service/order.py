"""The order of versions: once a newer version of a model has answered, no older one does."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

from service.model import Model


class Order:
    """Counts the requests under way by model and version; belongs to one event loop."""

    def __init__(self) -> None:
        self._under_way: Counter[tuple[str, int]] = Counter()
        self._left = asyncio.Event()

    def enter(self, name: str, version: int) -> None:
        """Count a request that this version of a model answers."""
        self._under_way[name, version] += 1

    def leave(self, name: str, version: int) -> None:
        """Count it no more: its answer is there, or it failed."""
        self._under_way[name, version] -= 1
        if not self._under_way[name, version]:
            del self._under_way[name, version]
            self._left.set()

    async def turn(self, name: str, version: int) -> None:
        """Return when no older version of the model has a request under way."""
        await self._while(lambda one, older: one == name and older < version)

    async def all_left(self, name: str) -> None:
        """Return when no version of the model has a request under way."""
        await self._while(lambda one, _: one == name)

    async def _while(self, there: Callable[[str, int], bool]) -> None:
        while any(there(*one) for one in self._under_way):
            self._left.clear()
            await self._left.wait()


class InOrder:
    """`async with`: gives the model of a request, and is left when no older version has an answer to give.

    A class, as it is entered for every request: `asynccontextmanager` takes three times as long.
    """

    __slots__ = ("_model", "_order")

    def __init__(self, order: Order, model: Model) -> None:
        self._order, self._model = order, model

    async def __aenter__(self) -> Model:
        self._order.enter(self._model.name, self._model.version)
        return self._model

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._order.leave(self._model.name, self._model.version)
        if kind is None:
            await self._order.turn(self._model.name, self._model.version)
