"""The interface of the training loop: a network, and batches that depend on seed, epoch and step alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import keras
from numpy.typing import NDArray

from graft.types import Float32Array


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch of n samples.

    `y` is float32 [n,k]: one-hot or mixed classes, 0/1 tags, or a number standardised by the training set's mean and
    deviation (`TargetScale`).
    """

    x: dict[str, NDArray[Any]]  # by the name of the network's input, each [n,…]
    y: Float32Array
    weight: Float32Array  # [n]; 0 for padding rows of an incomplete batch


class BatchSource(Protocol):
    """A network and its batches, for one batch size. Build it within `Devices.scope()`.

    The same epoch and step give the same batch, bit for bit, in any process: so a run can resume anywhere.
    """

    network: keras.Model  # inputs -> logits float32 [n,k]; BatchNorm and all layers that are not trained are frozen
    rate_factors: Mapping[str, float]  # layer-wise learning-rate decay: variable path -> factor of its learning rate

    def steps_per_epoch(self) -> int:
        """Return the number of batches in an epoch."""

    def training_batch(self, epoch: int, step: int) -> Batch:
        """Return a training batch; epochs and steps count from 0. Called on the prefetch thread."""

    def validation_batches(self) -> Iterator[Batch]:
        """Yield the validation set in batches, without augmentation or label smoothing."""
