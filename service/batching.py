"""The micro-batcher: what waits for the same trunk when a core becomes free goes through it together.

Nothing ever waits for a batch to fill. A sample that comes to an idle server is run at once, alone; batches form out
of what had to wait anyway. All the models grafted on a trunk share its batches.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol
from weakref import WeakKeyDictionary

import numpy as np
from starlette.requests import ClientDisconnect

from service.model import Model
from service.room import room
from service.waiting import Promise
from service.workers import Workers
from zoo.golden import Floats
from zoo.inputs import Sample


@dataclass(slots=True, eq=False)
class Waiting:
    """One decoded sample before the trunk, and what becomes of its features.

    `finish` takes them, float32 [1,d], with the seconds that the run took; `promise` is settled with what it returns.
    """

    model: Model
    sample: Sample
    promise: Promise[Floats]
    finish: Callable[[Floats, float], Floats]

    @property
    def length(self) -> int:
        """How much of a run's room it takes: its tokens; 1 where samples have no length."""
        return len(self.sample) if self.sample.ndim == 1 else 1

    def dropped(self) -> bool:
        """Drop the sample if nobody waits for it any more, and tell whether that is so."""
        if self.promise.gone:
            self.promise.settle(ClientDisconnect())
            return True
        return False


class Counts(Protocol):
    """Who wants to know how large batches are."""

    def batched(self, samples: int) -> None:
        """Note that a run had so many samples."""


class Batcher:
    """One trunk and what waits for it. Its methods are called on worker threads."""

    def __init__(self, workers: Workers, size: int, counts: Counts) -> None:
        """Let a run hold `size` tokens, or samples where they have no length."""
        self._workers, self.size, self._counts = workers, size, counts
        self._waiting: list[Waiting] = []
        self._lock = threading.Lock()

    def add(self, one: Waiting) -> None:
        """Run a sample through the trunk: at once if it would be alone in any case, else with what waits."""
        if one.length * 2 > self.size:
            self._run([one])
            return
        with self._lock:
            self._waiting.append(one)
        # A turn for each sample, behind what stands in the line: it finds those that came meanwhile, they find nothing.
        if self._workers.idle:
            self._turn()
        else:
            self._workers.do(self._turn)

    def _turn(self) -> None:
        with self._lock:
            share = -(-len(self._waiting) // (1 + self._workers.resting))  # threads that rest get their part
            batch = fitting(self._waiting, self.size, share)
            gone = set(map(id, batch))
            self._waiting = [one for one in self._waiting if id(one) not in gone]
        self._run(batch)

    def _run(self, batch: Sequence[Waiting]) -> None:
        """Run a batch; if it fails, each sample alone, so that only the guilty ones fail."""
        wanted = [one for one in batch if not one.dropped()]
        if not wanted:
            return
        start = time.perf_counter()
        try:
            rows = _features(wanted)
        except Exception as fault:
            if len(wanted) == 1:
                wanted[0].promise.settle(fault)
            else:
                for one in wanted:
                    self._run([one])
            return
        seconds = time.perf_counter() - start
        self._counts.batched(len(wanted))
        for at, one in enumerate(wanted):
            one.promise.keep(partial(one.finish, rows[at : at + 1], seconds))


class Batchers:
    """The batcher of each trunk in memory. `of` measures a trunk that it does not know yet."""

    def __init__(self, workers: Workers, counts: Counts) -> None:
        self._workers, self._counts = workers, counts
        # Weak: a batcher leaves the memory with its trunk.
        self._known: WeakKeyDictionary[Callable[..., Floats], Batcher] = WeakKeyDictionary()

    def of(self, model: Model) -> Batcher:
        """Return the batcher of a model's trunk; the first time it takes some runs of it."""
        trunk = model.grafted.trunk
        if (known := self._known.get(trunk)) is None:
            size = room(trunk, model.inputs, model.manifest.signature.inputs[0])
            known = self._known.setdefault(trunk, Batcher(self._workers, size, self._counts))
        return known

    def prepare(self, model: Model) -> str:
        """Measure a model's trunk if it is a new one, and tell how large its batches may be."""
        if (size := self.of(model).size) == 1:
            return "no batches (they do not pay here)"
        return f"batches of up to {size} {'tokens' if model.takes.noun != 'image' else 'images'}"


def fitting(waiting: Sequence[Waiting], size: int, most: int) -> list[Waiting]:
    """Choose what runs next: the one that waits longest and those nearest to it in length, at most `most`.

    Together, padded to the longest, they hold at most `size` tokens, a quarter of it padding.
    """
    if not waiting:
        return []
    first = waiting[0]
    others = sorted(
        (one for one in waiting[1:] if one.model.inputs == first.model.inputs),
        key=lambda one: abs(one.length - first.length),
    )
    batch, longest, tokens = [first], first.length, first.length
    for one in others[: most - 1]:
        longest, tokens = max(longest, one.length), tokens + one.length
        padded = longest * (len(batch) + 1)
        if padded > size or padded - tokens > size // 4:
            break
        batch.append(one)
    return batch


def _features(batch: Sequence[Waiting]) -> Floats:
    model = batch[0].model
    rows = model.features(model.inputs.batch([one.sample for one in batch]))
    if len(batch) > 1 and not np.isfinite(rows).all():
        raise ArithmeticError("a sample of the batch gives numbers that are not finite")
    return rows
