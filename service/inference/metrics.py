"""What is measured, in Prometheus' words. Only names of models that are served ever become labels."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

STAGES: Final = {
    "request": "From the whole body read to the answer.",
    "queue": "One sample waiting for a free core.",
    "decode": "One sample: bytes to pixels or token ids.",
    "trunk": "The run that made a sample's features, of pixels or token ids.",
    "head": "One sample: features to scores.",
}
_SECONDS_BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_FLUSH_COUNT: Final = 256  # measurements that are noted together
_BATCH_SIZE_BUCKETS: Final = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """The numbers of one server."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        self._stage_histograms = {
            stage: Histogram(
                f"graft_{stage}_seconds", told, ("model", "version"), buckets=_SECONDS_BUCKETS, registry=self._registry
            )
            for stage, told in STAGES.items()
        }
        # What was measured and is not noted yet: appending is one step for all threads, a histogram takes locks.
        self._pending: deque[tuple[str, str, int, float]] = deque()
        self._batches = Histogram(
            "graft_batch_samples",
            "Samples that went through a trunk together.",
            buckets=_BATCH_SIZE_BUCKETS,
            registry=self._registry,
        )
        self._errors = Counter("graft_errors", "Answers that were errors.", ("code",), registry=self._registry)
        self._models = Gauge("graft_models", "Versions of models in memory.", registry=self._registry)

    @contextmanager
    def time_stage(self, stage: str, model: str, version: int) -> Iterator[None]:
        """Measure how long a stage takes, if it succeeds."""
        start = time.perf_counter()
        yield
        self.observe_stage(stage, model, version, time.perf_counter() - start)

    def observe_stage(self, stage: str, model: str, version: int, seconds: float) -> None:
        """Note how long a stage took."""
        self._pending.append((stage, model, version, seconds))
        if len(self._pending) >= _FLUSH_COUNT:
            self._flush()

    def observe_batch(self, samples: int) -> None:
        """Note that a run of a trunk had so many samples."""
        self._batches.observe(samples)

    def count_error(self, code: str) -> None:
        """Count an answer that was an error."""
        self._errors.labels(code).inc()

    def set_loaded_models(self, models: int) -> None:
        """Note how many versions of models are in memory."""
        self._models.set(models)

    def render_text(self) -> bytes:
        """Return everything in Prometheus' text format."""
        self._flush()
        return generate_latest(self._registry)

    def _flush(self) -> None:
        with suppress(IndexError):  # the end; another thread may take some of them, too
            while True:
                stage, model, version, seconds = self._pending.popleft()
                self._stage_histograms[stage].labels(model, str(version)).observe(seconds)
