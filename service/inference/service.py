"""The service: the parts of one server and its state. The application holds it as `app.state.service`."""

from __future__ import annotations

import asyncio

from graft.errors import NotReady
from service.inference.batcher import BatcherRegistry
from service.inference.metrics import Metrics
from service.inference.pipeline import InferencePipeline
from service.inference.worker_pool import WorkerPool, create_background_executor
from service.limits.admission import AdmissionControl
from service.models.engine import Engine
from service.models.registry import ModelRegistry
from service.settings import Settings


class Service:
    """The parts of one server; lives as long as the server does."""

    def __init__(self, settings: Settings, engine: Engine) -> None:
        """Serve the repository `settings.models` with `engine`; `refresh` loads its models."""
        self.settings = settings
        self.metrics = Metrics()
        self.workers = WorkerPool(settings.workers)
        self.admission = AdmissionControl(settings.workers + settings.max_waiting)
        batchers = BatcherRegistry(self.workers, self.metrics.batch_samples.observe)
        self.models = ModelRegistry(settings.models, engine, settings.versions, batchers.prepare_batcher)
        self.pipeline = InferencePipeline(
            self.workers, batchers, self.metrics, self.admission, max_tokens=settings.max_tokens
        )
        self._refresh_lock = asyncio.Lock()
        self._load_executor = create_background_executor("graft-loader")
        self.stopping = False  # whether the server drains: not ready, but still answering

    def require_ready(self) -> None:
        """Check that requests may be sent to this server.

        Raises:
            NotReady: it is loading models, has none, or is stopping.
        """
        if self.stopping:
            raise NotReady("the server is stopping.")
        self.models.require_scanned()
        if not self.models.names():
            raise NotReady("there is no model to serve yet; make one with finetune.")

    async def refresh(self) -> None:
        """Scan the repository on the background thread; raises as `ModelRegistry.refresh` does."""
        async with self._refresh_lock:
            await asyncio.get_running_loop().run_in_executor(self._load_executor, self.models.refresh)

    async def load(self, name: str) -> None:
        """Load a model's newest version now; from the return on, it answers every request for the model.

        Raises:
            NotReady: every version of it was refused.
            UnknownModel: there is no such model.
        """
        self.models.enable(name)
        await self.refresh()
        self.models.get(name)

    async def unload(self, name: str) -> None:
        """Unload a model; return when its last running request is answered.

        Raises:
            NotReady: models are still being loaded.
            UnknownModel: there is no such model.
        """
        self.models.disable(name)
        await self.refresh()
        await self.models.version_order.wait_for_all_requests(name)
