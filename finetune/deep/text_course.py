"""Texts as the training loop takes them: batches of like length. Shapes: n texts, k labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import keras
import numpy as np

from finetune.deep.course import Batch
from finetune.deep.encoder import factors
from finetune.deep.grafted import aims
from finetune.deep.tokens import Rows, Tokens, bucketed
from finetune.lesson import Lesson


class TextCourse:
    """Batches of texts of like length, and the network that learns from them."""

    network: keras.Model
    rates: Mapping[str, float]

    def __init__(self, lesson: Lesson, tokens: Tokens, network: keras.Model, size: int) -> None:
        """`tokens` holds the texts to train on, then those to choose by."""
        self.network, self.rates = network, factors(network, lesson.training.layer_decay or 1.0)
        rows = np.concatenate([lesson.train, lesson.val])
        self._y, self._tokens = aims(lesson)[rows], tokens
        self._weights = np.concatenate([lesson.weights[lesson.train], np.ones(len(lesson.val), np.float32)])
        self._train, self._val = np.split(np.arange(len(rows)), [len(lesson.train)])
        self._seed, self._size = lesson.seed, size
        self._order: tuple[int, list[Rows]] = (-1, [])

    def steps(self) -> int:
        """Return how many batches an epoch has."""
        return -(-len(self._train) // self._size)

    def batch(self, epoch: int, step: int) -> Batch:
        """Return a batch; one that lacks texts is filled up with copies of weight 0."""
        number, order = self._order
        if number != epoch:
            order = bucketed(
                self._train, self._tokens.lengths(), self._size, np.random.default_rng((self._seed, epoch))
            )
            self._order = epoch, order
        return self._made(order[step], self._size)

    def val(self) -> Iterator[Batch]:
        """Yield the validation part, the short texts first."""
        rows = self._val[np.argsort(self._tokens.lengths()[self._val], kind="stable")]
        for at in range(0, len(rows), self._size):
            yield self._made(rows[at : at + self._size], 0)

    def _made(self, rows: Rows, least: int) -> Batch:
        missing = max(0, least - len(rows))
        rows = np.append(rows, np.repeat(rows[:1], missing))
        weight = self._weights[rows]
        weight[len(rows) - missing :] = 0
        return Batch(self._tokens.batch(rows), self._y[rows], weight)
