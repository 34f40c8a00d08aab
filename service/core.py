"""What the routes delegate to: samples in, numbers out, every step measured."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import numpy as np

from service.metrics import Metrics
from service.model import Model, Sample
from service.models import Models
from service.settings import Settings
from service.workers import Workers
from zoo.errors import InputError, NotReady, ServerFailed
from zoo.golden import Floats

Gone = Callable[[], Awaitable[bool]]  # tells whether the client hung up


class Service:
    """One server's parts; lives as long as the server does."""

    def __init__(self, settings: Settings, models: Models, workers: Workers, metrics: Metrics) -> None:
        self.settings, self.models, self.workers, self.metrics = settings, models, workers, metrics
        self.stopping = False

    def check_ready(self) -> None:
        """Pass if traffic may be sent here.

        Raises:
            NotReady: it may not; the message says why.
        """
        if self.stopping:
            raise NotReady("the server is stopping.")
        self.models.check_looked()
        if not self.models.names():
            raise NotReady("there is no model to serve yet; make one with finetune.")

    async def features(self, model: Model, samples: Sequence[Sample], gone: Gone) -> Floats:
        """Return the features of n samples, float32 [n,d].

        Raises:
            InputError: a sample is no image that the model takes.
            Overloaded: too much is waiting already.
            ServerFailed: the model answered with numbers that are not finite.
        """
        return await self._each(model, samples, gone, lambda sample: self._features(model, sample))

    async def scores(self, model: Model, samples: Sequence[Sample], gone: Gone) -> Floats:
        """Return the scores of n samples, float32 [n,k]; raises as `features` does."""

        def answer(sample: Sample) -> Floats:
            features = self._features(model, sample)
            with self.metrics.timed("head", model.name, model.version):
                return model.scores(features)

        return await self._each(model, samples, gone, answer)

    def _features(self, model: Model, sample: Sample) -> Floats:
        with self.metrics.timed("decode", model.name, model.version):
            pixels = model.decode(sample)
        with self.metrics.timed("trunk", model.name, model.version):
            return model.features(pixels)

    async def _each(
        self, model: Model, samples: Sequence[Sample], gone: Gone, work: Callable[[Sample], Floats]
    ) -> Floats:
        """Do `work` for every sample, side by side; each gives one row."""
        start = time.perf_counter()

        def begun(sample: Sample) -> Floats:
            self.metrics.took("queue", model.name, model.version, time.perf_counter() - start)
            return work(sample)

        with self.workers.admitted(len(samples)):
            rows = await asyncio.gather(
                *(self.workers.run(partial(begun, sample), gone) for sample in samples),
                return_exceptions=True,
            )
        answers = np.concatenate([_good(row, number, len(samples)) for number, row in enumerate(rows, 1)])
        if not np.isfinite(answers).all():
            raise ServerFailed(
                f"{model.name}/{model.version} answers with numbers that are not finite. Train it again."
            )
        self.metrics.took("request", model.name, model.version, time.perf_counter() - start)
        return answers


def _good(row: Floats | BaseException, number: int, of: int) -> Floats:
    """Return the row, or raise what came in its place, with the number of the image."""
    if isinstance(row, InputError) and of > 1:
        raise type(row)(f"image {number} of {of}: {row}")
    if isinstance(row, BaseException):
        raise row
    return row
