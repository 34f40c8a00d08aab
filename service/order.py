"""The order of versions: once a newer version of a model has answered, no older one does."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Order:
    """Counts the requests under way by model and version; belongs to one event loop."""

    def __init__(self) -> None:
        self._under_way: Counter[tuple[str, int]] = Counter()
        self._left = asyncio.Event()

    @contextmanager
    def entered(self, name: str, version: int) -> Iterator[None]:
        """Count a request that this version of a model answers, from its choice to its answer."""
        self._under_way[name, version] += 1
        try:
            yield
        finally:
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
