"""Token ids of the texts that a run learns from, in one file, and batches of like length. Shapes: n texts, t tokens.

Texts as the training loop takes them: batches of like length. Shapes: n texts, k labels.
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

PAD_MULTIPLE: Final = 16  # a batch is padded to a multiple of this, so that TensorFlow sees few shapes


BATCHES_PER_BUCKET: Final = (
    50  # batches that are sorted by length together: like lengths meet, yet no epoch is like another
)


@dataclass(frozen=True, slots=True)
class TokenFile:
    """Ids of n texts, one after the other; they stay on disk."""

    inputs: TextInput
    ids: Int32Array  # of all texts
    offsets: NDArray[np.int64]  # [n+1]: text i is ids[ends[i]:ends[i+1]]

    @classmethod
    def from_samples(
        cls, inputs: TextInput, samples: Sequence[LabeledSample], path: Path, progress: Progress
    ) -> TokenFile:
        """Tokenise `samples` into the file `path`."""
        ends = np.zeros(len(samples) + 1, np.int64)
        with open_atomic(path) as file, progress.bar("tokenising", len(samples)) as bar:
            for number, sample in enumerate(samples):
                ids = inputs(sample.read())
                file.write(ids.tobytes())
                ends[number + 1] = ends[number] + len(ids)
                bar.advance()
        return cls(inputs, np.memmap(path, np.int32, "r"), ends)

    def lengths(self) -> NDArray[np.int64]:
        """Return how many tokens each text has, [n]."""
        return np.diff(self.offsets)

    def pad_batch(self, rows: IndexArray) -> dict[str, Int32Array]:
        """Return texts side by side, int32 [n,t] for each array that the encoder takes."""
        arrays = self.inputs.batch([self.ids[self.offsets[row] : self.offsets[row + 1]] for row in rows.tolist()])
        width = arrays["token_ids"].shape[1]
        # As many as the encoder has positions for at most; an encoder that sees padding gets its full width already.
        padding = min(-(-width // PAD_MULTIPLE) * PAD_MULTIPLE, self.inputs.max_tokens) - width
        pad = {"token_ids": self.inputs.special.pad}
        return {
            name: np.pad(array, ((0, 0), (0, padding)), constant_values=pad.get(name, 0))
            for name, array in arrays.items()
        }


def bucket_by_length(
    rows: IndexArray, lengths: NDArray[np.int64], batch_size: int, rng: np.random.Generator
) -> list[IndexArray]:
    """Return batches of `batch_size` texts of like length each, the last made one perhaps smaller, in random order.

    `lengths` are those of all texts, `rows` the ones to take.
    """
    shuffled = rows[rng.permutation(len(rows))]
    batches: list[IndexArray] = []
    for at in range(0, len(rows), BATCHES_PER_BUCKET * batch_size):
        bucket = shuffled[at : at + BATCHES_PER_BUCKET * batch_size]
        bucket = bucket[np.argsort(lengths[bucket], kind="stable")]
        batches += [bucket[first : first + batch_size] for first in range(0, len(bucket), batch_size)]
    return [batches[number] for number in rng.permutation(len(batches)).tolist()]


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
