"""One server's parts, and which models it has, as the routes see them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import TypeVar

from graft.errors import NotReady
from service.inference.batcher import BatcherRegistry
from service.inference.metrics import Metrics
from service.inference.pipeline import InferencePipeline
from service.inference.worker_pool import (
    DisconnectCheck,
    WorkerPool,
    create_background_executor,
    run_concurrently,
    unwrap,
)
from service.models.model import Model
from service.models.registry import ModelLease, ModelRegistry, VersionOrder
from service.settings import Settings

T = TypeVar("T")


class Service:
    """One server's parts; lives as long as the server does."""

    def __init__(
        self,
        settings: Settings,
        models: ModelRegistry,
        workers: WorkerPool,
        batchers: BatcherRegistry,
        metrics: Metrics,
    ) -> None:
        self.settings, self.models, self.workers, self.metrics = settings, models, workers, metrics
        self.pipeline = InferencePipeline(workers, batchers, metrics, settings.max_tokens)
        self._version_order = VersionOrder()
        self._refresh_lock = asyncio.Lock()
        self._load_executor = create_background_executor("graft-loader")
        self.stopping = False

    def require_ready(self) -> None:
        """Pass if traffic may be sent here.

        Raises:
            NotReady: it may not; the message says why.
        """
        if self.stopping:
            raise NotReady("the server is stopping.")
        self.models.require_scanned()
        if not self.models.names():
            raise NotReady("there is no model to serve yet; make one with finetune.")

    async def refresh(self) -> None:
        """Look at the repository; raises as `ModelRegistry.refresh` does."""
        async with self._refresh_lock:
            await asyncio.get_running_loop().run_in_executor(self._load_executor, self.models.refresh)

    async def load(self, name: str) -> None:
        """Look for a model and its newest version now; when this returns every request gets it.

        Raises:
            NotReady: every version of it was refused.
            UnknownModel: there is no such model.
        """
        self.models.enable(name)
        await self.refresh()
        self.models.get(name)

    async def unload(self, name: str) -> None:
        """Serve a model no more; when this returns its last answer is given.

        Raises:
            NotReady: models are still being loaded.
            UnknownModel: there is no such model.
        """
        self.models.disable(name)
        await self.refresh()
        await self._version_order.wait_for_all_requests(name)

    def lease_model(self, name: str, version: str | None = None) -> AbstractAsyncContextManager[Model]:
        """Give the model that answers a request whose body is read; leave it with the answer in hand.

        Without a version it is the newest, and leaving waits for what older ones still answer: after one reply of a
        version none of an older one comes.

        Raises:
            NotReady: models are still being loaded, or every version of this one was refused.
            UnknownModel: there is no such model.
            UnknownVersion: the model is served, but not in that version.
        """
        model = self.models.get(name, version)
        return nullcontext(model) if version is not None else ModelLease(self._version_order, model)

    def max_samples(self, model: Model) -> int:
        """Return how many samples one request may hold."""
        return self.settings.max_images if model.input_kind.noun == "image" else self.settings.max_texts

    async def run_on_worker(self, work: Callable[[], T], is_disconnected: DisconnectCheck) -> T:
        """Do `work` on a worker's thread; without admission, which is for whole requests.

        Raises:
            ClientDisconnect: the client hung up before it was begun.
        """
        (outcome,) = await run_concurrently(self.workers, [work], is_disconnected)
        return unwrap(outcome)
