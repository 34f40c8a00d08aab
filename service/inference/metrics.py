"""Prometheus metrics of the server. Only the names of served models become labels."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
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
FLUSH_COUNT: Final = 256  # timings that are moved into the histograms together
_SECONDS_BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_BATCH_SIZE_BUCKETS: Final = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """The metrics of one server.

    Timings of the stages are appended to `timings` as (stage, model, version, seconds), on any thread: that is atomic,
    while a histogram takes locks. `flush_timings` moves them into the histograms; whoever appends calls it from time to
    time (FLUSH_COUNT).
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        self.timings: deque[tuple[str, str, int, float]] = deque()
        self._stage_histograms = {
            stage: Histogram(
                f"graft_{stage}_seconds",
                description,
                ("model", "version"),
                buckets=_SECONDS_BUCKETS,
                registry=self._registry,
            )
            for stage, description in STAGES.items()
        }
        self.batch_samples = Histogram(
            "graft_batch_samples",
            "Samples that went through a trunk together.",
            buckets=_BATCH_SIZE_BUCKETS,
            registry=self._registry,
        )
        self._errors = Counter("graft_errors", "Answers that were errors.", ("code",), registry=self._registry)
        self._models = Gauge("graft_models", "Versions of models in memory.", registry=self._registry)

    def flush_timings(self) -> None:
        """Move the timings into the histograms."""
        with suppress(IndexError):  # none is left; another thread may take some of them, too
            while True:
                stage, model, version, seconds = self.timings.popleft()
                self._stage_histograms[stage].labels(model, str(version)).observe(seconds)

    def count_error(self, code: str) -> None:
        """Count a response that is an error."""
        self._errors.labels(code).inc()

    def set_loaded_models(self, count: int) -> None:
        """Set the number of model versions in memory."""
        self._models.set(count)

    def render_text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        self.flush_timings()
        return generate_latest(self._registry)
