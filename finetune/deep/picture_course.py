"""Batches of pictures, or of their maps at a cut, and the network that learns from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import keras
import numpy as np
from numpy.typing import NDArray

from finetune.deep.activations import Views
from finetune.deep.augment import Augment, Mixing, Pictures
from finetune.deep.course import Batch
from finetune.deep.grafted import aims
from finetune.lesson import Lesson, Rows

_ORDER, _DRAW, _MIX = range(3)  # what random numbers are for: each has its own


class Source(Protocol):
    """Where the arrays of samples come from; those that are trained on come first, then those to choose by."""

    @property
    def name(self) -> str:
        """Return the name of the network's input."""

    def train(self, rows: Rows, key: tuple[int, ...]) -> NDArray[Any]:
        """Return the samples `rows`, changed as the numbers in `key` say."""

    def plain(self, rows: Rows) -> NDArray[Any]:
        """Return the samples `rows` as they are."""


@dataclass(frozen=True, slots=True)
class WholePictures:
    """Decoded pictures, uint8 [n,s,s,3], changed anew in every epoch."""

    pictures: Pictures
    augmenting: Augment | None
    name: str = "image"

    def train(self, rows: Rows, key: tuple[int, ...]) -> NDArray[Any]:
        """Return pictures, changed."""
        plain = self.plain(rows)
        return self.augmenting(plain, key) if self.augmenting else plain

    def plain(self, rows: Rows) -> NDArray[Any]:
        """Return pictures."""
        return np.stack([self.pictures[row] for row in rows.tolist()])


@dataclass(frozen=True, slots=True)
class CachedMaps:
    """Maps at a cut, float16 [n,h,w,c], of a view that is drawn anew in every epoch."""

    views: Views
    name: str = "maps"

    def train(self, rows: Rows, key: tuple[int, ...]) -> NDArray[Any]:
        """Return maps of any view."""
        return self.views.pick(rows, np.random.default_rng(key))

    def plain(self, rows: Rows) -> NDArray[Any]:
        """Return maps of the pictures as they are."""
        return np.stack([self.views.plain[row] for row in rows.tolist()])


class PictureCourse:
    """A `Course`; its order, its views and its mixtures depend on the lesson's seed, the epoch and the step alone."""

    def __init__(
        self,
        lesson: Lesson,
        source: Source,
        network: keras.Model,
        body: keras.Model,
        rates: dict[str, float],
        size: int,
        mixing: Mixing | None,
    ) -> None:
        """`body` is the part of the trunk that is in `network` and learns, or all of it."""
        self.network, self.body = network, body
        self.rates: Mapping[str, float] = rates
        self._source, self._mixing, self._seed = source, mixing, lesson.seed
        rows = np.concatenate([lesson.train, lesson.val])
        self._y, self._weight = aims(lesson)[rows], lesson.weights[rows]
        self._trained, self._size = len(lesson.train), size

    def steps(self) -> int:
        """Return how many batches an epoch has; what does not fill one waits for another epoch."""
        return max(1, self._trained // self._size)

    def batch(self, epoch: int, step: int) -> Batch:
        """Return a batch to train on; where there are fewer samples than it holds, copies of weight 0 fill it up."""
        order = np.random.default_rng((self._seed, _ORDER, epoch)).permutation(self._trained)
        rows, weight = self._filled(order[step * self._size : (step + 1) * self._size])
        x, y = self._source.train(rows, (self._seed, _DRAW, epoch, step)), self._y[rows]
        if self._mixing:
            x, y, weight = self._mixing(x, y, weight, (self._seed, _MIX, epoch, step))
        return Batch({self._source.name: x}, y, weight)

    def val(self) -> Iterator[Batch]:
        """Yield the validation part, plain; the last batch is filled up."""
        for at in range(self._trained, len(self._y), self._size):
            rows, weight = self._filled(np.arange(at, min(at + self._size, len(self._y))))
            yield Batch({self._source.name: self._source.plain(rows)}, self._y[rows], weight)

    def _filled(self, rows: Rows) -> tuple[Rows, NDArray[np.float32]]:
        missing = self._size - len(rows)
        rows = np.append(rows, np.repeat(rows[:1], missing))
        weight = self._weight[rows]
        weight[self._size - missing :] = 0
        return rows, weight
