"""Samples in, numbers out, every step measured: what the routes delegate to."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import numpy as np
from starlette.requests import ClientDisconnect

from graft.bundle.head_runner import split_outputs
from graft.errors import BadRequest, ServerFailed
from graft.inputs.open_input import BatchArrays, SampleArray
from graft.types import Float32Array
from service.inference.batcher import BatcherRegistry, PendingSample
from service.inference.metrics import Metrics
from service.inference.worker_pool import (
    DisconnectCheck,
    FutureGroup,
    JobFuture,
    WorkerPool,
    run_concurrently,
    unwrap,
    unwrap_all,
)
from service.models.input_kinds import WireSample
from service.models.model import Model

T = TypeVar("T")


class InferencePipeline:
    """What models say of samples, on the workers' threads."""

    def __init__(self, workers: WorkerPool, batchers: BatcherRegistry, metrics: Metrics, max_tokens: int) -> None:
        """`max_tokens` is how many one request for embeddings may have."""
        self._workers, self._batchers, self._metrics, self._max_tokens = workers, batchers, metrics, max_tokens

    async def compute_features(
        self, model: Model, samples: Sequence[WireSample], is_disconnected: DisconnectCheck
    ) -> Float32Array:
        """Return the features of n samples, float32 [n,d].

        Raises:
            InputError: a sample is nothing that the model takes.
            Overloaded: too much is waiting already.
            ServerFailed: the model answered with numbers that are not finite.
            ClientDisconnect: the client hung up before all of it was begun.
        """
        with self._workers.admission(len(samples)):
            return await self._run_samples(
                model, [partial(model.decode_sample, one) for one in samples], _identity, is_disconnected
            )

    async def compute_scores(
        self, model: Model, samples: Sequence[WireSample], is_disconnected: DisconnectCheck
    ) -> Float32Array:
        """Return what the head says of n samples, float32 [n,k] or [n,k+1]; raises as `compute_features` does."""
        with self._workers.admission(len(samples)):
            arrays = [partial(model.decode_sample, one) for one in samples]
            return await self._run_samples(model, arrays, partial(self._run_head, model), is_disconnected)

    async def embed_texts(
        self, model: Model, texts: Sequence[Callable[[], WireSample]], is_disconnected: DisconnectCheck
    ) -> tuple[Float32Array, int]:
        """Return the features of n texts, float32 [n,d], and how many tokens were read; raises as `compute_features` does.

        Each of `texts` gives its sample when it is called, off the event loop. All are tokenised before the
        first goes through the trunk.

        Raises:
            BadRequest: they are more tokens than one request may hold.
        """
        max_tokens = self._max_tokens
        with self._workers.admission(len(texts)):
            outcomes = await run_concurrently(
                self._workers, [partial(_tokenize_text, model, text) for text in texts], is_disconnected
            )
            token_ids = unwrap_all(outcomes, model.input_kind.noun)
            if (count := sum(map(len, token_ids))) > max_tokens:
                raise BadRequest(
                    f"the input has {count:,} tokens; one request may have {max_tokens:,}. Send it in several requests."
                )
            return await self._run_samples(
                model, [partial(_identity, ids) for ids in token_ids], _identity, is_disconnected
            ), count

    async def infer(
        self, model: Model, arrays: BatchArrays, outputs: Sequence[str], is_disconnected: DisconnectCheck
    ) -> dict[str, Float32Array]:
        """Return those `outputs` of a model, float32 [n,…] each, for arrays that fit its signature; raises as above.

        Each row of the arrays counts as a sample.
        """
        first, *_ = arrays.values()
        output_tensors = model.manifest.signature.outputs
        finish = partial(self._append_scores, model) if set(outputs) - {output_tensors[0].name} else _identity
        with self._workers.admission(len(first)):
            if first.ndim > 2:  # decoded images
                rows = await self._run_samples(
                    model, [partial(_identity, one) for one in first], finish, is_disconnected
                )
            else:  # token ids, in the padding that the client chose
                rows = await self._run_row_batches(model, arrays, finish, is_disconnected)
        answers = split_outputs(rows, output_tensors)
        return {name: answers[name] for name in outputs}

    async def _run_samples(
        self,
        model: Model,
        decoders: Sequence[Callable[[], SampleArray]],
        finish: Callable[[Float32Array], Float32Array],
        is_disconnected: DisconnectCheck,
    ) -> Float32Array:
        """Decode n samples, side by side, run them through the trunk and `finish` each row: float32 [n,…]."""
        start = time.perf_counter()
        futures = FutureGroup[Float32Array](len(decoders), is_disconnected)
        for future, array in zip(futures, decoders, strict=True):
            self._workers.submit(partial(self._decode_and_enqueue, model, array, finish, future, start))
        return self._finish_request(model, unwrap_all(await futures.gather(), model.input_kind.noun), start)

    def _decode_and_enqueue(
        self,
        model: Model,
        decode: Callable[[], SampleArray],
        finish: Callable[[Float32Array], Float32Array],
        future: JobFuture[Float32Array],
        start: float,
    ) -> None:
        """Decode one sample and send it to its trunk."""
        if future.is_cancelled:
            future.set_outcome(ClientDisconnect())
            return
        observe_stage, name, version = self._metrics.observe_stage, model.name, model.version
        decode_start = time.perf_counter()
        observe_stage("queue", name, version, decode_start - start)

        def finished(features: Float32Array, seconds: float) -> Float32Array:
            observe_stage("trunk", name, version, seconds)
            return finish(features)

        try:
            pending = PendingSample(model, decode(), future, finished)
        except Exception as fault:
            future.set_outcome(fault)
        else:
            observe_stage("decode", name, version, time.perf_counter() - decode_start)
            self._batchers.get_batcher(model).add(pending)

    async def _run_row_batches(
        self,
        model: Model,
        arrays: BatchArrays,
        finish: Callable[[Float32Array], Float32Array],
        is_disconnected: DisconnectCheck,
    ) -> Float32Array:
        """Run arrays of n rows through the trunk, in pieces as large as its batches, and `finish`: float32 [n,…]."""
        start = time.perf_counter()
        rows, tokens = next(iter(arrays.values())).shape
        batch_rows = max(1, self._batchers.get_batcher(model).max_batch_size // tokens)

        def run_row_batch(at: int) -> Float32Array:
            return finish(model.features({name: array[at : at + batch_rows] for name, array in arrays.items()}))

        outcomes = await run_concurrently(
            self._workers, [partial(run_row_batch, at) for at in range(0, rows, batch_rows)], is_disconnected
        )
        return self._finish_request(model, [unwrap(one) for one in outcomes], start)

    def _append_scores(self, model: Model, features: Float32Array) -> Float32Array:
        """Return features, float32 [n,d], with what the head says of them behind, [n,d+k] or [n,d+k+1]."""
        return np.concatenate([features, self._run_head(model, features)], axis=1)

    def _run_head(self, model: Model, features: Float32Array) -> Float32Array:
        with self._metrics.time_stage("head", model.name, model.version):
            return model.scores(features)

    def _finish_request(self, model: Model, rows: Sequence[Float32Array], start: float) -> Float32Array:
        """Put rows together, float32 [n,…], and note that the request that began at `start` is answered."""
        answers = rows[0] if len(rows) == 1 else np.concatenate(rows)
        if not math.isfinite(answers.sum()):  # one step where np.isfinite(…).all() takes two
            raise ServerFailed(
                f"{model.name}/{model.version} answers with numbers that are not finite. Train it again."
            )
        self._metrics.observe_stage("request", model.name, model.version, time.perf_counter() - start)
        return answers


def _tokenize_text(model: Model, text: Callable[[], WireSample]) -> SampleArray:
    return model.decode_sample(text())


def _identity(value: T) -> T:
    return value
