"""Token ids of the texts that a run learns from, in one file, and batches of like length. Shapes: n texts, t tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from finetune.dataset import Sample
from zoo.files import written_whole
from zoo.progress import Progress
from zoo.text import Ints, TextInput

WIDTHS: Final = 16  # a batch is padded to a multiple of this, so that TensorFlow sees few shapes
AMONG: Final = 50  # batches that are sorted by length together: like lengths meet, yet no epoch is like another

Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Tokens:
    """Ids of n texts, one after the other; they stay on disk."""

    inputs: TextInput
    ids: Ints  # of all texts
    ends: NDArray[np.int64]  # [n+1]: text i is ids[ends[i]:ends[i+1]]

    @classmethod
    def of(cls, inputs: TextInput, samples: Sequence[Sample], path: Path, progress: Progress) -> Tokens:
        """Tokenise `samples` into the file `path`."""
        ends = np.zeros(len(samples) + 1, np.int64)
        with written_whole(path) as file, progress.bar("tokenising", len(samples)) as bar:
            for number, sample in enumerate(samples):
                ids = inputs(sample.read())
                file.write(ids.tobytes())
                ends[number + 1] = ends[number] + len(ids)
                bar.advance()
        return cls(inputs, np.memmap(path, np.int32, "r"), ends)

    def lengths(self) -> NDArray[np.int64]:
        """Return how many tokens each text has, [n]."""
        return np.diff(self.ends)

    def batch(self, rows: Rows) -> dict[str, Ints]:
        """Return texts side by side, int32 [n,t] for each array that the encoder takes."""
        made = self.inputs.batch([self.ids[self.ends[row] : self.ends[row + 1]] for row in rows.tolist()])
        width = made["token_ids"].shape[1]
        # As many as the encoder has positions for at most; an encoder that sees padding gets its full width already.
        more = min(-(-width // WIDTHS) * WIDTHS, self.inputs.max_tokens) - width
        pad = {"token_ids": self.inputs.special.pad}
        return {
            name: np.pad(array, ((0, 0), (0, more)), constant_values=pad.get(name, 0)) for name, array in made.items()
        }


def bucketed(rows: Rows, lengths: NDArray[np.int64], size: int, random: np.random.Generator) -> list[Rows]:
    """Return batches of `size` texts of like length each, the last made one perhaps smaller, in random order.

    `lengths` are those of all texts, `rows` the ones to take.
    """
    shuffled = rows[random.permutation(len(rows))]
    batches: list[Rows] = []
    for at in range(0, len(rows), AMONG * size):
        some = shuffled[at : at + AMONG * size]
        some = some[np.argsort(lengths[some], kind="stable")]
        batches += [some[first : first + size] for first in range(0, len(some), size)]
    return [batches[number] for number in random.permutation(len(batches)).tolist()]
