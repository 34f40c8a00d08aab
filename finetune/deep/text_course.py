"""Texts as the training loop takes them: batches of like length. Shapes: n texts, k labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import keras
import numpy as np

from finetune.deep.course import Batch
from finetune.deep.encoder import layer_rate_factors
from finetune.deep.grafted import training_targets
from finetune.deep.tokens import IndexArray, TokenFile, bucket_by_length
from finetune.lesson import TrainingJob


class TextBatchSource:
    """Batches of texts of like length, and the network that learns from them."""

    network: keras.Model
    rate_factors: Mapping[str, float]

    def __init__(self, job: TrainingJob, tokens: TokenFile, network: keras.Model, batch_size: int) -> None:
        """`tokens` holds the texts to train on, then those to choose by."""
        self.network, self.rate_factors = network, layer_rate_factors(network, job.training.layer_decay or 1.0)
        rows = np.concatenate([job.train_rows, job.val_rows])
        self._y, self._tokens = training_targets(job)[rows], tokens
        self._weights = np.concatenate([job.sample_weights[job.train_rows], np.ones(len(job.val_rows), np.float32)])
        self._train_rows, self._val_rows = np.split(np.arange(len(rows)), [len(job.train_rows)])
        self._seed, self._batch_size = job.seed, batch_size
        self._epoch_batches: tuple[int, list[IndexArray]] = (-1, [])

    def steps_per_epoch(self) -> int:
        """Return how many batches an epoch has."""
        return -(-len(self._train_rows) // self._batch_size)

    def training_batch(self, epoch: int, step: int) -> Batch:
        """Return a batch; one that lacks texts is filled up with copies of weight 0."""
        number, order = self._epoch_batches
        if number != epoch:
            order = bucket_by_length(
                self._train_rows, self._tokens.lengths(), self._batch_size, np.random.default_rng((self._seed, epoch))
            )
            self._epoch_batches = epoch, order
        return self._build_batch(order[step], self._batch_size)

    def validation_batches(self) -> Iterator[Batch]:
        """Yield the validation part, the short texts first."""
        rows = self._val_rows[np.argsort(self._tokens.lengths()[self._val_rows], kind="stable")]
        for at in range(0, len(rows), self._batch_size):
            yield self._build_batch(rows[at : at + self._batch_size], 0)

    def _build_batch(self, rows: IndexArray, min_rows: int) -> Batch:
        missing = max(0, min_rows - len(rows))
        rows = np.append(rows, np.repeat(rows[:1], missing))
        weight = self._weights[rows]
        weight[len(rows) - missing :] = 0
        return Batch(self._tokens.pad_batch(rows), self._y[rows], weight)
