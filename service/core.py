"""What the routes delegate to: samples in, numbers out, every step measured."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar

import numpy as np

from service.metrics import Metrics
from service.model import Model
from service.models import Models
from service.settings import Settings
from service.takes import Sample
from service.workers import Workers
from zoo import inputs as zoo_inputs
from zoo.errors import BadRequest, InputError, NotReady, ServerFailed
from zoo.golden import Floats
from zoo.inputs import Arrays

S = TypeVar("S")
T = TypeVar("T")
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

    def most(self, model: Model) -> int:
        """Return how many samples one request may hold."""
        return self.settings.max_images if model.takes.noun == "image" else self.settings.max_texts

    async def features(self, model: Model, samples: Sequence[Sample], gone: Gone) -> Floats:
        """Return the features of n samples, float32 [n,d].

        Raises:
            InputError: a sample is nothing that the model takes.
            Overloaded: too much is waiting already.
            ServerFailed: the model answered with numbers that are not finite.
        """
        start = time.perf_counter()
        with self.workers.admitted(len(samples)):
            rows = await self._each(model, samples, gone, lambda sample: self._features(model, sample))
        return self._finite(model, rows, start)

    async def scores(self, model: Model, samples: Sequence[Sample], gone: Gone) -> Floats:
        """Return the scores of n samples, float32 [n,k]; raises as `features` does."""
        start = time.perf_counter()

        def answer(sample: Sample) -> Floats:
            features = self._features(model, sample)
            with self.metrics.timed("head", model.name, model.version):
                return model.scores(features)

        with self.workers.admitted(len(samples)):
            rows = await self._each(model, samples, gone, answer)
        return self._finite(model, rows, start)

    async def embeddings(self, model: Model, texts: Sequence[Callable[[], Sample]], gone: Gone) -> tuple[Floats, int]:
        """Return the features of n texts, float32 [n,d], and how many tokens were read; raises as `features` does.

        Each of `texts` gives its sample when it is called, off the event loop. All are tokenised before the
        first goes through the trunk.

        Raises:
            BadRequest: they are more tokens than one request may hold.
        """
        start, most = time.perf_counter(), self.settings.max_tokens

        def tokens(text: Callable[[], Sample]) -> zoo_inputs.Sample:
            with self.metrics.timed("decode", model.name, model.version):
                return model.array(text())

        with self.workers.admitted(len(texts)):
            read = await self._each(model, texts, gone, tokens)
            if (count := sum(map(len, read))) > most:
                raise BadRequest(
                    f"the input has {count:,} tokens; one request may have {most:,}. Send it in several requests."
                )
            rows = await self._each(model, read, gone, lambda ids: self._trunk(model, model.inputs.batch([ids])))
        return self._finite(model, rows, start), count

    def _features(self, model: Model, sample: Sample) -> Floats:
        with self.metrics.timed("decode", model.name, model.version):
            arrays = model.decode(sample)
        return self._trunk(model, arrays)

    def _trunk(self, model: Model, arrays: Arrays) -> Floats:
        with self.metrics.timed("trunk", model.name, model.version):
            return model.features(arrays)

    async def _each(self, model: Model, items: Sequence[S], gone: Gone, work: Callable[[S], T]) -> list[T]:
        """Do `work` for every item, side by side."""
        start = time.perf_counter()

        def begun(item: S) -> T:
            self.metrics.took("queue", model.name, model.version, time.perf_counter() - start)
            return work(item)

        done = await asyncio.gather(
            *(self.workers.run(partial(begun, item), gone) for item in items),
            return_exceptions=True,
        )
        return [_good(one, f"{model.takes.noun} {at} of {len(items)}", len(items)) for at, one in enumerate(done, 1)]

    def _finite(self, model: Model, rows: list[Floats], start: float) -> Floats:
        """Put rows together, float32 [n,…], and note that the request that began at `start` is answered."""
        answers = np.concatenate(rows)
        if not np.isfinite(answers).all():
            raise ServerFailed(
                f"{model.name}/{model.version} answers with numbers that are not finite. Train it again."
            )
        self.metrics.took("request", model.name, model.version, time.perf_counter() - start)
        return answers


def _good(done: T | BaseException, which: str, of: int) -> T:
    """Return what was done, or raise what came in its place, with the number of the sample."""
    if isinstance(done, InputError) and of > 1:
        raise type(done)(f"{which}: {done}")
    if isinstance(done, BaseException):
        raise done
    return done
