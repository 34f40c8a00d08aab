"""What the training loop asks of pictures and texts alike: a network, and batches that depend on numbers alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import keras
from numpy.typing import NDArray

from graft.types import Float32Array


@dataclass(frozen=True, slots=True)
class Batch:
    """n samples. `y` is float32 [n,k]: one-hot or mixed classes, 0/1 tags, or a number in units of its deviation."""

    x: dict[str, NDArray[Any]]  # by the name of the network's input
    y: Float32Array
    weight: Float32Array  # [n]; 0 fills up a last batch


class BatchSource(Protocol):
    """What is learnt, and with what. Made under the strategy's scope, for one size of batch.

    The same epoch and number give the same batch, bit for bit, in any process: so a run can go on anywhere.
    """

    network: keras.Model  # inputs -> logits float32 [n,k]; BatchNorm frozen; what shall not learn is not trainable
    rate_factors: Mapping[str, float]  # by the path of a variable: factor of its learning rate (layer-wise decay)

    def steps_per_epoch(self) -> int:
        """Return how many batches an epoch has."""

    def training_batch(self, epoch: int, step: int) -> Batch:
        """Return a batch to train on; epochs and steps count from 0. Called from a thread ahead of time."""

    def validation_batches(self) -> Iterator[Batch]:
        """Yield the validation part in batches, plain: nothing augmented, nothing smoothed."""
