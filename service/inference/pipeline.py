"""Inference pipeline: samples -> features or scores, every stage timed. The routes delegate to it.

admission -> decode on a worker thread -> micro-batch through the trunk -> head -> answer
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import numpy as np
from starlette.requests import ClientDisconnect

from graft.bundle.head_runner import split_outputs
from graft.errors import ServerFailed
from graft.inputs.open_input import BatchArrays, SampleArray
from graft.types import Float32Array
from service.inference.batcher import BatcherRegistry, PendingSample
from service.inference.metrics import FLUSH_COUNT, Metrics
from service.inference.worker_pool import DisconnectCheck, FutureGroup, JobFuture, WorkerPool, unwrap, unwrap_all
from service.limits.admission import AdmissionControl
from service.limits.samples_per_request import check_token_count
from service.models.input_kinds import WireSample
from service.models.model import Model

T = TypeVar("T")


class InferencePipeline:
    """Runs models on the worker threads.

    In all methods `is_disconnected` tells whether the client hung up: what has not begun by then is skipped.
    """

    def __init__(
        self,
        workers: WorkerPool,
        batchers: BatcherRegistry,
        metrics: Metrics,
        admission: AdmissionControl,
        max_tokens: int,
    ) -> None:
        """`max_tokens` is the limit of one request for embeddings of texts."""
        self._workers, self._batchers, self._metrics = workers, batchers, metrics
        self._admission, self._max_tokens = admission, max_tokens

    async def compute_features(
        self, model: Model, samples: Sequence[WireSample], is_disconnected: DisconnectCheck
    ) -> Float32Array:
        """Return the features of n samples, float32 [n,d].

        Raises:
            InputError: a sample is not what the model takes.
            Overloaded: the server is full.
            ServerFailed: the features are not finite.
            ClientDisconnect: the client hung up before all samples were begun.
        """
        with self._admission.admit(len(samples)):
            decoders = [partial(model.decode_sample, one) for one in samples]
            return await self._run_samples(model, decoders, _identity, is_disconnected)

    async def compute_scores(
        self, model: Model, samples: Sequence[WireSample], is_disconnected: DisconnectCheck
    ) -> Float32Array:
        """Return the head's scores of n samples, float32 [n,k], or [n,k+1] with the novelty in the last column.

        Raises as `compute_features` does.
        """
        with self._admission.admit(len(samples)):
            decoders = [partial(model.decode_sample, one) for one in samples]
            return await self._run_samples(model, decoders, partial(self._run_head, model), is_disconnected)

    async def embed_texts(
        self, model: Model, texts: Sequence[Callable[[], WireSample]], is_disconnected: DisconnectCheck
    ) -> tuple[Float32Array, int]:
        """Return the features of n texts, float32 [n,d], and their number of tokens; raises as `compute_features` does.

        Each of `texts` makes a sample when it is called on a worker thread. All are tokenized before the first one goes
        through the trunk.

        Raises:
            BadRequest: together they have more tokens than one request may have.
        """
        with self._admission.admit(len(texts)):
            jobs = [partial(_tokenize_text, model, text) for text in texts]
            token_ids = unwrap_all(await self._workers.run_all(jobs, is_disconnected), model.input_kind.noun)
            token_count = sum(map(len, token_ids))
            check_token_count(token_count, self._max_tokens)
            decoders = [partial(_identity, ids) for ids in token_ids]
            return await self._run_samples(model, decoders, _identity, is_disconnected), token_count

    async def infer(
        self, model: Model, arrays: BatchArrays, outputs: Sequence[str], is_disconnected: DisconnectCheck
    ) -> dict[str, Float32Array]:
        """Return the named `outputs` of a model, float32 [n,…] each, for n rows of arrays that fit its signature.

        Each row counts as a sample. Raises as `compute_features` does.
        """
        first, *_ = arrays.values()
        output_tensors = model.manifest.signature.outputs
        finish = partial(self._append_scores, model) if set(outputs) - {output_tensors[0].name} else _identity
        with self._admission.admit(len(first)):
            if first.ndim > 2:  # decoded images
                decoders = [partial(_identity, one) for one in first]
                rows = await self._run_samples(model, decoders, finish, is_disconnected)
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
        """Decode n samples in parallel, run them through the trunk and `finish` each row: float32 [n,…]."""
        start = time.perf_counter()
        group = FutureGroup[Float32Array](len(decoders), is_disconnected)
        for future, decode in zip(group, decoders, strict=True):
            self._workers.submit(partial(self._decode_and_enqueue, model, decode, finish, future, start))
        return self._finish_request(model, unwrap_all(await group.gather(), model.input_kind.noun), start)

    def _decode_and_enqueue(
        self,
        model: Model,
        decode: Callable[[], SampleArray],
        finish: Callable[[Float32Array], Float32Array],
        future: JobFuture[Float32Array],
        start: float,
    ) -> None:
        """Decode one sample and add it to the batcher of its trunk; on a worker thread."""
        if future.is_cancelled:
            future.set_outcome(ClientDisconnect())
            return
        decode_start = time.perf_counter()
        self._observe("queue", model, decode_start - start)

        def finish_timed(features: Float32Array, seconds: float) -> Float32Array:
            self._observe("trunk", model, seconds)
            return finish(features)

        try:
            pending = PendingSample(model, decode(), future, finish_timed)
        except Exception as fault:
            future.set_outcome(fault)
        else:
            self._observe("decode", model, time.perf_counter() - decode_start)
            self._batchers.get_batcher(model).add(pending)

    async def _run_row_batches(
        self,
        model: Model,
        arrays: BatchArrays,
        finish: Callable[[Float32Array], Float32Array],
        is_disconnected: DisconnectCheck,
    ) -> Float32Array:
        """Run arrays of n rows through the trunk in batches of its maximum size, and `finish` them: float32 [n,…]."""
        start = time.perf_counter()
        rows, tokens = next(iter(arrays.values())).shape
        batch_rows = max(1, self._batchers.get_batcher(model).max_batch_size // tokens)

        def run_row_batch(first_row: int) -> Float32Array:
            stop = first_row + batch_rows
            return finish(model.features({name: array[first_row:stop] for name, array in arrays.items()}))

        jobs = [partial(run_row_batch, first_row) for first_row in range(0, rows, batch_rows)]
        outcomes = await self._workers.run_all(jobs, is_disconnected)
        return self._finish_request(model, [unwrap(one) for one in outcomes], start)

    def _append_scores(self, model: Model, features: Float32Array) -> Float32Array:
        """Return features, float32 [n,d], with the head's outputs appended: [n,d+k] or [n,d+k+1]."""
        return np.concatenate([features, self._run_head(model, features)], axis=1)

    def _run_head(self, model: Model, features: Float32Array) -> Float32Array:
        start = time.perf_counter()
        scores = model.scores(features)
        self._observe("head", model, time.perf_counter() - start)
        return scores

    def _finish_request(self, model: Model, rows: Sequence[Float32Array], start: float) -> Float32Array:
        """Concatenate rows to float32 [n,…], check that they are finite, and time the request that began at `start`."""
        answers = rows[0] if len(rows) == 1 else np.concatenate(rows)
        if not math.isfinite(answers.sum()):  # one step where np.isfinite(…).all() takes two
            raise ServerFailed(f"the outputs of {model.name}/{model.version} are not finite. Train the model again.")
        self._observe("request", model, time.perf_counter() - start)
        return answers

    def _observe(self, stage: str, model: Model, seconds: float) -> None:
        timings = self._metrics.timings
        timings.append((stage, model.name, model.version, seconds))
        if len(timings) >= FLUSH_COUNT:
            self._metrics.flush_timings()


def _tokenize_text(model: Model, text: Callable[[], WireSample]) -> SampleArray:
    return model.decode_sample(text())


def _identity(value: T) -> T:
    return value
