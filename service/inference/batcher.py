"""Micro-batcher: samples that wait for the same trunk when a worker becomes free go through it together.

Nothing ever waits for a batch to fill. A sample that arrives at an idle server runs at once, alone; batches form out of
what had to wait anyway. All models with one trunk share its batches.

The maximum batch size is measured when a trunk is loaded. Batches pay off where one sample does not keep a core busy:
short texts. They do not for a convolutional network on a CPU, whose activations leave the cache.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final
from weakref import WeakKeyDictionary

import numpy as np
from starlette.requests import ClientDisconnect

from graft.bundle.signature import TensorSpec
from graft.inputs.open_input import BatchArrays, Input, SampleArray
from graft.types import Float32Array
from service.inference.worker_pool import JobFuture, WorkerPool
from service.models.model import Model

MAX_BATCH_SAMPLES: Final = 32  # samples in one run of a trunk
TIMING_TOKENS: Final = 16  # of each sample while batches are timed, where samples have a length
TIMING_ROUNDS: Final = 3
MIN_SPEEDUP: Final = 1.1  # of each of two samples together over one alone; only then are larger batches tried

BatchObserver = Callable[[int], object]  # is called with the number of samples of each run


@dataclass(slots=True, eq=False)
class PendingSample:
    """One decoded sample before the trunk, and the future of its result.

    `finish` gets its features, float32 [1,d], and the seconds that the run took; the future gets what it returns.
    """

    model: Model
    sample: SampleArray
    future: JobFuture[Float32Array]
    finish: Callable[[Float32Array, float], Float32Array]

    @property
    def length(self) -> int:
        """Its share of a batch's size: its tokens, or 1 where samples have no length."""
        return len(self.sample) if self.sample.ndim == 1 else 1

    def drop_if_cancelled(self) -> bool:
        """Drop the sample if nobody awaits its result any more, and return whether that was so."""
        if self.future.is_cancelled:
            self.future.set_outcome(ClientDisconnect())
            return True
        return False


class Batcher:
    """The queue of one trunk. Its methods are called on worker threads."""

    def __init__(self, workers: WorkerPool, max_batch_size: int, observe_batch: BatchObserver) -> None:
        """`max_batch_size` is in tokens, or in samples where they have no length."""
        self._workers, self.max_batch_size, self._observe_batch = workers, max_batch_size, observe_batch
        self._queue: list[PendingSample] = []
        self._lock = threading.Lock()

    def add(self, pending: PendingSample) -> None:
        """Run a sample through the trunk: at once if it would be alone in any case, else with what is queued."""
        if pending.length * 2 > self.max_batch_size:
            self._run_batch([pending])
            return
        with self._lock:
            self._queue.append(pending)
        # One job for each sample, behind those in the queue: the first of them takes what has come by then, and the
        # others find nothing left.
        if self._workers.is_queue_empty:
            self._run_next_batch()
        else:
            self._workers.submit(self._run_next_batch)

    def _run_next_batch(self) -> None:
        with self._lock:
            share = -(-len(self._queue) // (1 + self._workers.idle_threads))  # idle threads get their part
            batch = select_batch(self._queue, self.max_batch_size, share)
            batch_ids = set(map(id, batch))
            self._queue = [one for one in self._queue if id(one) not in batch_ids]
        self._run_batch(batch)

    def _run_batch(self, batch: Sequence[PendingSample]) -> None:
        """Run a batch; if it fails, run each sample alone, so that only those at fault fail."""
        active = [one for one in batch if not one.drop_if_cancelled()]
        if not active:
            return
        start = time.perf_counter()
        try:
            rows = _run_trunk(active)
        except Exception as fault:
            if len(active) == 1:
                active[0].future.set_outcome(fault)
            else:
                for one in active:
                    self._run_batch([one])
            return
        seconds = time.perf_counter() - start
        self._observe_batch(len(active))
        for index, one in enumerate(active):
            one.future.complete_with(partial(one.finish, rows[index : index + 1], seconds))


class BatcherRegistry:
    """The batchers of all trunks in memory; a new trunk's batch size is measured on first use."""

    def __init__(self, workers: WorkerPool, observe_batch: BatchObserver) -> None:
        self._workers, self._observe_batch = workers, observe_batch
        # Weak: a batcher is freed with its trunk.
        self._batchers: WeakKeyDictionary[Callable[..., Float32Array], Batcher] = WeakKeyDictionary()

    def get_batcher(self, model: Model) -> Batcher:
        """Return the batcher of a model's trunk; the first time, measure its batch size by some runs."""
        trunk = model.graphs.trunk
        if (batcher := self._batchers.get(trunk)) is None:
            size = measure_batch_size(trunk, model.inputs, model.manifest.signature.inputs[0])
            batcher = self._batchers.setdefault(trunk, Batcher(self._workers, size, self._observe_batch))
        return batcher

    def prepare_batcher(self, model: Model) -> str:
        """Measure the batch size of a model's trunk if it is new, and describe it for the log."""
        if (size := self.get_batcher(model).max_batch_size) == 1:
            return "no batches (they do not pay off here)"
        return f"batches of up to {size} {'tokens' if model.input_kind.noun != 'image' else 'images'}"


def select_batch(queue: Sequence[PendingSample], max_batch_size: int, max_samples: int) -> list[PendingSample]:
    """Select the next batch: the sample that waits longest and those of the most similar length.

    It has at most `max_samples` samples. Padded to the longest, they have at most `max_batch_size` tokens, of which at
    most a quarter of `max_batch_size` is padding.
    """
    if not queue:
        return []
    first = queue[0]
    others = sorted(
        (one for one in queue[1:] if one.model.inputs == first.model.inputs),
        key=lambda one: abs(one.length - first.length),
    )
    batch, longest, tokens = [first], first.length, first.length
    for one in others[: max_samples - 1]:
        longest, tokens = max(longest, one.length), tokens + one.length
        padded = longest * (len(batch) + 1)
        if padded > max_batch_size or padded - tokens > max_batch_size // 4:
            break
        batch.append(one)
    return batch


def measure_batch_size(trunk: Callable[[BatchArrays], Float32Array], inputs: Input, input_tensor: TensorSpec) -> int:
    """Return the maximum size of one run of a trunk: in tokens for texts, else in samples; 1 if batches do not pay off.

    `input_tensor` is the first input of the trunk. If two samples together pay off, the size is doubled as long as the
    time per sample falls.
    """
    has_length = input_tensor.shape[1:] == (-1,)
    sample = np.zeros((TIMING_TOKENS,) if has_length else input_tensor.shape[1:], input_tensor.dtype)

    def seconds_per_sample(size: int) -> float:
        return _time_fastest_run(trunk, inputs.batch([sample] * size)) / size

    size, seconds = 1, seconds_per_sample(1)
    while (
        size < MAX_BATCH_SAMPLES
        and (next_seconds := seconds_per_sample(2 * size)) * (MIN_SPEEDUP if size == 1 else 1) < seconds
    ):
        size, seconds = size * 2, next_seconds
    return size * len(sample) if has_length and size > 1 else size


def _time_fastest_run(trunk: Callable[[BatchArrays], Float32Array], batch: BatchArrays) -> float:
    """Return the seconds of the fastest of a few runs: any disturbance only makes a run slower."""
    trunk(batch)  # the first run of a shape allocates its memory
    seconds = []
    for _ in range(TIMING_ROUNDS):
        start = time.perf_counter()
        trunk(batch)
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def _run_trunk(batch: Sequence[PendingSample]) -> Float32Array:
    """Return the features of a batch, float32 [n,d]."""
    model = batch[0].model
    rows = model.features(model.inputs.batch([one.sample for one in batch]))
    if len(batch) > 1 and not np.isfinite(rows).all():
        raise ArithmeticError("the features of a sample in this batch are not finite")
    return rows
