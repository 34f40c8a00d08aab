"""Samples in, numbers out, every step measured: what the routes delegate to."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import numpy as np
from starlette.requests import ClientDisconnect

from service.batching import Batchers, Waiting
from service.metrics import Metrics
from service.model import Model
from service.takes import Sample
from service.waiting import Gone, Promise, Promises, all_good, good, side_by_side
from service.workers import Workers
from zoo import inputs as zoo_inputs
from zoo.columns import apart
from zoo.errors import BadRequest, ServerFailed
from zoo.golden import Floats
from zoo.inputs import Arrays

T = TypeVar("T")


class Answering:
    """What models say of samples, on the workers' threads."""

    def __init__(self, workers: Workers, batchers: Batchers, metrics: Metrics, max_tokens: int) -> None:
        """`max_tokens` is how many one request for embeddings may have."""
        self._workers, self._batchers, self._metrics, self._max_tokens = workers, batchers, metrics, max_tokens

    async def features(self, model: Model, samples: Sequence[Sample], gone: Gone) -> Floats:
        """Return the features of n samples, float32 [n,d].

        Raises:
            InputError: a sample is nothing that the model takes.
            Overloaded: too much is waiting already.
            ServerFailed: the model answered with numbers that are not finite.
            ClientDisconnect: the client hung up before all of it was begun.
        """
        with self._workers.admitted(len(samples)):
            return await self._answers(model, [partial(model.array, one) for one in samples], _itself, gone)

    async def scores(self, model: Model, samples: Sequence[Sample], gone: Gone) -> Floats:
        """Return what the head says of n samples, float32 [n,k] or [n,k+1]; raises as `features` does."""
        with self._workers.admitted(len(samples)):
            arrays = [partial(model.array, one) for one in samples]
            return await self._answers(model, arrays, partial(self._scores, model), gone)

    async def embeddings(self, model: Model, texts: Sequence[Callable[[], Sample]], gone: Gone) -> tuple[Floats, int]:
        """Return the features of n texts, float32 [n,d], and how many tokens were read; raises as `features` does.

        Each of `texts` gives its sample when it is called, off the event loop. All are tokenised before the
        first goes through the trunk.

        Raises:
            BadRequest: they are more tokens than one request may hold.
        """
        most = self._max_tokens
        with self._workers.admitted(len(texts)):
            done = await side_by_side(self._workers, [partial(_read, model, text) for text in texts], gone)
            read = all_good(done, model.takes.noun)
            if (count := sum(map(len, read))) > most:
                raise BadRequest(
                    f"the input has {count:,} tokens; one request may have {most:,}. Send it in several requests."
                )
            return await self._answers(model, [partial(_itself, ids) for ids in read], _itself, gone), count

    async def infer(self, model: Model, arrays: Arrays, outputs: Sequence[str], gone: Gone) -> dict[str, Floats]:
        """Return those `outputs` of a model, float32 [n,…] each, for arrays that fit its signature; raises as above.

        Each row of the arrays counts as a sample.
        """
        first, *_ = arrays.values()
        gives = model.manifest.signature.outputs
        finish = partial(self._both, model) if set(outputs) - {gives[0].name} else _itself
        with self._workers.admitted(len(first)):
            if first.ndim > 2:  # decoded images
                both = await self._answers(model, [partial(_itself, one) for one in first], finish, gone)
            else:  # token ids, in the padding that the client chose
                both = await self._pieces(model, arrays, finish, gone)
        answers = apart(both, gives)
        return {name: answers[name] for name in outputs}

    async def _answers(
        self,
        model: Model,
        arrays: Sequence[Callable[[], zoo_inputs.Sample]],
        finish: Callable[[Floats], Floats],
        gone: Gone,
    ) -> Floats:
        """Decode n samples, side by side, run them through the trunk and `finish` each row: float32 [n,…]."""
        start = time.perf_counter()
        promises = Promises[Floats](len(arrays), gone)
        for promise, array in zip(promises, arrays, strict=True):
            self._workers.do(partial(self._begin, model, array, finish, promise, start))
        return self._answered(model, all_good(await promises.outcomes(), model.takes.noun), start)

    def _begin(
        self,
        model: Model,
        array: Callable[[], zoo_inputs.Sample],
        finish: Callable[[Floats], Floats],
        promise: Promise[Floats],
        start: float,
    ) -> None:
        """Decode one sample and send it to its trunk."""
        if promise.gone:
            promise.settle(ClientDisconnect())
            return
        took, name, version = self._metrics.took, model.name, model.version
        begun = time.perf_counter()
        took("queue", name, version, begun - start)

        def finished(features: Floats, seconds: float) -> Floats:
            took("trunk", name, version, seconds)
            return finish(features)

        try:
            waiting = Waiting(model, array(), promise, finished)
        except Exception as fault:
            promise.settle(fault)
        else:
            took("decode", name, version, time.perf_counter() - begun)
            self._batchers.of(model).add(waiting)

    async def _pieces(self, model: Model, arrays: Arrays, finish: Callable[[Floats], Floats], gone: Gone) -> Floats:
        """Run arrays of n rows through the trunk, in pieces as large as its batches, and `finish`: float32 [n,…]."""
        start = time.perf_counter()
        rows, tokens = next(iter(arrays.values())).shape
        step = max(1, self._batchers.of(model).size // tokens)

        def piece(at: int) -> Floats:
            return finish(model.features({name: array[at : at + step] for name, array in arrays.items()}))

        done = await side_by_side(self._workers, [partial(piece, at) for at in range(0, rows, step)], gone)
        return self._answered(model, [good(one) for one in done], start)

    def _both(self, model: Model, features: Floats) -> Floats:
        """Return features, float32 [n,d], with what the head says of them behind, [n,d+k] or [n,d+k+1]."""
        return np.concatenate([features, self._scores(model, features)], axis=1)

    def _scores(self, model: Model, features: Floats) -> Floats:
        with self._metrics.timed("head", model.name, model.version):
            return model.scores(features)

    def _answered(self, model: Model, rows: Sequence[Floats], start: float) -> Floats:
        """Put rows together, float32 [n,…], and note that the request that began at `start` is answered."""
        answers = rows[0] if len(rows) == 1 else np.concatenate(rows)
        if not math.isfinite(answers.sum()):  # one step where np.isfinite(…).all() takes two
            raise ServerFailed(
                f"{model.name}/{model.version} answers with numbers that are not finite. Train it again."
            )
        self._metrics.took("request", model.name, model.version, time.perf_counter() - start)
        return answers


def _read(model: Model, text: Callable[[], Sample]) -> zoo_inputs.Sample:
    return model.array(text())


def _itself(value: T) -> T:
    return value
