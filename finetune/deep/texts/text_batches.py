"""Batches of texts for the training loop: tokenised once into a file, bucketed by length, padded.

Shapes: n texts, t tokens, k labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import keras
import numpy as np
from numpy.typing import NDArray

from finetune.data.dataset import LabeledSample
from finetune.deep.texts.encoder import layer_rate_factors
from finetune.deep.training.batch_source import Batch
from finetune.deep.training.head_as_keras_layer import training_targets
from finetune.deep.training_job import TrainingJob
from graft.inputs.text import TextInput
from graft.progress import Progress
from graft.storage.atomic_file import open_atomic
from graft.types import IndexArray, Int32Array

PAD_MULTIPLE: Final = 16  # pad batches to a multiple of this many tokens, so that TensorFlow sees few shapes
BATCHES_PER_BUCKET: Final = 50  # texts of so many random batches are sorted by length together


@dataclass(frozen=True, slots=True)
class TokenFile:
    """Token ids of n texts, concatenated in a memory-mapped file."""

    inputs: TextInput
    ids: Int32Array  # [sum of all lengths]
    offsets: NDArray[np.int64]  # [n+1]: text i is ids[offsets[i]:offsets[i+1]]

    @classmethod
    def from_samples(
        cls, inputs: TextInput, samples: Sequence[LabeledSample], path: Path, progress: Progress
    ) -> TokenFile:
        """Tokenise `samples` into the file `path`."""
        offsets = np.zeros(len(samples) + 1, np.int64)
        with open_atomic(path) as file, progress.bar("tokenising", len(samples)) as bar:
            for number, sample in enumerate(samples):
                ids = inputs(sample.read())
                file.write(ids.tobytes())
                offsets[number + 1] = offsets[number] + len(ids)
                bar.advance()
        return cls(inputs, np.memmap(path, np.int32, "r"), offsets)

    def lengths(self) -> NDArray[np.int64]:
        """Return the number of tokens of each text, int64 [n]."""
        return np.diff(self.offsets)

    def pad_batch(self, rows: IndexArray) -> dict[str, Int32Array]:
        """Return the texts `rows` padded to one length, int32 [n,t] for each input array of the encoder."""
        arrays = self.inputs.batch([self.ids[self.offsets[row] : self.offsets[row + 1]] for row in rows.tolist()])
        width = arrays["token_ids"].shape[1]
        # At most the encoder's number of positions; encoders without a padding mask get full width anyway.
        padding = min(-(-width // PAD_MULTIPLE) * PAD_MULTIPLE, self.inputs.max_tokens) - width
        pad = {"token_ids": self.inputs.special.pad}
        return {
            name: np.pad(array, ((0, 0), (0, padding)), constant_values=pad.get(name, 0))
            for name, array in arrays.items()
        }


def bucket_by_length(
    rows: IndexArray, lengths: NDArray[np.int64], batch_size: int, rng: np.random.Generator
) -> list[IndexArray]:
    """Return batches of texts of similar length, in random order; one batch may be smaller than `batch_size`.

    Args:
        rows: the texts to use, int [m].
        lengths: token counts of all texts, int64 [n].
        batch_size: texts in a batch.
        rng: shuffles texts before bucketing, and batches afterwards.
    """
    shuffled = rows[rng.permutation(len(rows))]
    batches: list[IndexArray] = []
    for at in range(0, len(rows), BATCHES_PER_BUCKET * batch_size):
        bucket = shuffled[at : at + BATCHES_PER_BUCKET * batch_size]
        bucket = bucket[np.argsort(lengths[bucket], kind="stable")]
        batches += [bucket[first : first + batch_size] for first in range(0, len(bucket), batch_size)]
    return [batches[number] for number in rng.permutation(len(batches)).tolist()]


class TextBatchSource:
    """The `BatchSource` of texts; batches depend on seed, epoch and step alone."""

    network: keras.Model
    rate_factors: Mapping[str, float]

    def __init__(self, job: TrainingJob, tokens: TokenFile, network: keras.Model, batch_size: int) -> None:
        """Take the texts of `job` from `tokens`: the training set, then the validation set."""
        self.network, self.rate_factors = network, layer_rate_factors(network, job.training.layer_decay or 1.0)
        rows = np.concatenate([job.train_rows, job.val_rows])
        self._y, self._tokens = training_targets(job)[rows], tokens
        self._weights = np.concatenate([job.sample_weights[job.train_rows], np.ones(len(job.val_rows), np.float32)])
        self._train_rows, self._val_rows = np.split(np.arange(len(rows)), [len(job.train_rows)])
        self._seed, self._batch_size = job.seed, batch_size
        self._epoch_batches: tuple[int, list[IndexArray]] = (-1, [])

    def steps_per_epoch(self) -> int:
        """Return the number of batches in an epoch."""
        return -(-len(self._train_rows) // self._batch_size)

    def training_batch(self, epoch: int, step: int) -> Batch:
        """Return a training batch; copies of weight 0 pad an incomplete one."""
        number, order = self._epoch_batches
        if number != epoch:
            order = bucket_by_length(
                self._train_rows, self._tokens.lengths(), self._batch_size, np.random.default_rng((self._seed, epoch))
            )
            self._epoch_batches = epoch, order
        return self._build_batch(order[step], self._batch_size)

    def validation_batches(self) -> Iterator[Batch]:
        """Yield the validation set in batches, short texts first."""
        rows = self._val_rows[np.argsort(self._tokens.lengths()[self._val_rows], kind="stable")]
        for at in range(0, len(rows), self._batch_size):
            yield self._build_batch(rows[at : at + self._batch_size], 0)

    def _build_batch(self, rows: IndexArray, min_rows: int) -> Batch:
        missing = max(0, min_rows - len(rows))
        rows = np.append(rows, np.repeat(rows[:1], missing))
        weight = self._weights[rows]
        weight[len(rows) - missing :] = 0
        return Batch(self._tokens.pad_batch(rows), self._y[rows], weight)
