"""Token ids of the texts that a run learns from, in one file, and batches of like length. Shapes: n texts, t tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from finetune.dataset import LabeledSample
from zoo.files import open_atomic
from zoo.progress import Progress
from zoo.text import Int32Array, TextInput

PAD_MULTIPLE: Final = 16  # a batch is padded to a multiple of this, so that TensorFlow sees few shapes
BATCHES_PER_BUCKET: Final = (
    50  # batches that are sorted by length together: like lengths meet, yet no epoch is like another
)

IndexArray = NDArray[np.intp]


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


def bucket_by_length(rows: IndexArray, lengths: NDArray[np.int64], batch_size: int, rng: np.random.Generator) -> list[IndexArray]:
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
