"""The micro-batcher: what waits for the same trunk when a core becomes free goes through it together.

Nothing ever waits for a batch to fill. A sample that comes to an idle server is run at once, alone; batches form out
of what had to wait anyway. All the models grafted on a trunk share its batches.


How many samples, or tokens, one run of a trunk should hold: measured here, when the trunk is loaded.

Batches pay where one sample does not keep a core busy: short texts. They do not pay for a convolutional network on a
CPU, whose activations leave the cache. Nobody has to know which is which.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol
from weakref import WeakKeyDictionary

import numpy as np
from starlette.requests import ClientDisconnect

from graft.bundle.signature import TensorSpec
from graft.inputs.open_input import BatchArrays, Input, SampleArray
from graft.types import Float32Array
from service.inference.worker_pool import JobFuture, WorkerPool
from service.models.model import Model


@dataclass(slots=True, eq=False)
class PendingSample:
    """One decoded sample before the trunk, and what becomes of its features.

    `finish` takes them, float32 [1,d], with the seconds that the run took; `future` is settled with what it returns.
    """

    model: Model
    sample: SampleArray
    future: JobFuture[Float32Array]
    finish: Callable[[Float32Array, float], Float32Array]

    @property
    def length(self) -> int:
        """How much of a run's room it takes: its tokens; 1 where samples have no length."""
        return len(self.sample) if self.sample.ndim == 1 else 1

    def drop_if_cancelled(self) -> bool:
        """Drop the sample if nobody waits for it any more, and tell whether that is so."""
        if self.future.is_cancelled:
            self.future.set_outcome(ClientDisconnect())
            return True
        return False


class BatchObserver(Protocol):
    """Who wants to know how large batches are."""

    def observe_batch(self, samples: int) -> None:
        """Note that a run had so many samples."""


class Batcher:
    """One trunk and what waits for it. Its methods are called on worker threads."""

    def __init__(self, workers: WorkerPool, max_batch_size: int, observer: BatchObserver) -> None:
        """Let a run hold `max_batch_size` tokens, or samples where they have no length."""
        self._workers, self.max_batch_size, self._observer = workers, max_batch_size, observer
        self._queue: list[PendingSample] = []
        self._lock = threading.Lock()

    def add(self, pending: PendingSample) -> None:
        """Run a sample through the trunk: at once if it would be alone in any case, else with what waits."""
        if pending.length * 2 > self.max_batch_size:
            self._run_batch([pending])
            return
        with self._lock:
            self._queue.append(pending)
        # A turn for each sample, behind what stands in the line: it finds those that came meanwhile, they find nothing.
        if self._workers.is_queue_empty:
            self._run_next_batch()
        else:
            self._workers.submit(self._run_next_batch)

    def _run_next_batch(self) -> None:
        with self._lock:
            share = -(-len(self._queue) // (1 + self._workers.idle_threads))  # threads that rest get their part
            batch = select_batch(self._queue, self.max_batch_size, share)
            batch_ids = set(map(id, batch))
            self._queue = [one for one in self._queue if id(one) not in batch_ids]
        self._run_batch(batch)

    def _run_batch(self, batch: Sequence[PendingSample]) -> None:
        """Run a batch; if it fails, each sample alone, so that only the guilty ones fail."""
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
        self._observer.observe_batch(len(active))
        for at, one in enumerate(active):
            one.future.complete_with(partial(one.finish, rows[at : at + 1], seconds))


class BatcherRegistry:
    """The batcher of each trunk in memory. `get_batcher` measures a trunk that it does not know yet."""

    def __init__(self, workers: WorkerPool, observer: BatchObserver) -> None:
        self._workers, self._observer = workers, observer
        # Weak: a batcher leaves the memory with its trunk.
        self._batchers: WeakKeyDictionary[Callable[..., Float32Array], Batcher] = WeakKeyDictionary()

    def get_batcher(self, model: Model) -> Batcher:
        """Return the batcher of a model's trunk; the first time it takes some runs of it."""
        trunk = model.graphs.trunk
        if (batcher := self._batchers.get(trunk)) is None:
            size = measure_batch_size(trunk, model.inputs, model.manifest.signature.inputs[0])
            batcher = self._batchers.setdefault(trunk, Batcher(self._workers, size, self._observer))
        return batcher

    def prepare_batcher(self, model: Model) -> str:
        """Measure a model's trunk if it is a new one, and tell how large its batches may be."""
        if (size := self.get_batcher(model).max_batch_size) == 1:
            return "no batches (they do not pay here)"
        return f"batches of up to {size} {'tokens' if model.input_kind.noun != 'image' else 'images'}"


def select_batch(queue: Sequence[PendingSample], max_batch_size: int, max_samples: int) -> list[PendingSample]:
    """Choose what runs next: the one that waits longest and those nearest to it in length, at most `max_samples`.

    Together, padded to the longest, they hold at most `max_batch_size` tokens, a quarter of it padding.
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


def _run_trunk(batch: Sequence[PendingSample]) -> Float32Array:
    model = batch[0].model
    rows = model.features(model.inputs.batch([one.sample for one in batch]))
    if len(batch) > 1 and not np.isfinite(rows).all():
        raise ArithmeticError("a sample of the batch gives numbers that are not finite")
    return rows


MAX_BATCH_SAMPLES: Final = 32  # samples a run
TIMING_TOKENS: Final = 16  # of each sample, where samples have a length
MIN_SPEEDUP: Final = 1.1  # two samples together must be so many times faster, each, than one alone; then more may join
TIMING_ROUNDS: Final = 3


def measure_batch_size(trunk: Callable[[BatchArrays], Float32Array], inputs: Input, input_tensor: TensorSpec) -> int:
    """Return how much one run of a trunk should hold: tokens for texts, else samples; 1 where batches do not pay.

    `input_tensor` is the first tensor that the trunk takes. Where two together pay, the size is doubled for as long as each
    sample gains anything.
    """
    has_length = input_tensor.shape[1:] == (-1,)
    one = np.zeros((TIMING_TOKENS,) if has_length else input_tensor.shape[1:], input_tensor.dtype)

    def seconds_per_sample(size: int) -> float:
        return _time_fastest_run(trunk, inputs.batch([one] * size)) / size

    size, seconds = 1, seconds_per_sample(1)
    while (
        size < MAX_BATCH_SAMPLES
        and (next_seconds := seconds_per_sample(2 * size)) * (MIN_SPEEDUP if size == 1 else 1) < seconds
    ):
        size, seconds = size * 2, next_seconds
    return size * len(one) if has_length and size > 1 else size


def _time_fastest_run(trunk: Callable[[BatchArrays], Float32Array], batch: BatchArrays) -> float:
    """Return the shortest of a few runs: whatever disturbs one only makes it longer."""
    trunk(batch)  # the first run of a shape plans its memory
    taken = []
    for _ in range(TIMING_ROUNDS):
        start = time.perf_counter()
        trunk(batch)
        taken.append(time.perf_counter() - start)
    return min(taken)
