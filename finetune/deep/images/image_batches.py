"""Batches of images, or of their cached activations, for the training loop; and images decoded once for all epochs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import keras
import numpy as np
from numpy.typing import NDArray

from finetune.data.dataset import LabeledSample
from finetune.deep.images.augment import MixUpCutMix, RandAugment, UInt8Images
from finetune.deep.images.cached_activations import CachedViews, map_npy, stream_to_npy
from finetune.deep.training.batch_source import Batch
from finetune.deep.training.head_as_keras_layer import training_targets
from finetune.deep.training_job import TrainingJob
from graft.inputs.open_input import Input
from graft.progress import Progress
from graft.runtime.cpu_threads import available_cores, batched, map_ordered, thread_pool
from graft.types import IndexArray

_SHUFFLE_STREAM, _VIEW_STREAM, _MIX_STREAM = range(
    3
)  # one stream of random numbers for each use; the values are part of seeds


IMAGES_PER_TASK: Final = 8  # images that one task of the thread pool decodes


class ImageArraySource(Protocol):
    """Arrays of samples by row: the training set first, then the validation set."""

    @property
    def input_name(self) -> str:
        """Return the name of the network's input."""

    def training_samples(self, rows: IndexArray, key: tuple[int, ...]) -> NDArray[Any]:
        """Return the samples `rows` augmented; `key` seeds the random numbers."""

    def validation_samples(self, rows: IndexArray) -> NDArray[Any]:
        """Return the samples `rows` without augmentation."""


@dataclass(frozen=True, slots=True)
class PixelSource:
    """Decoded images, uint8 [n,s,s,3], augmented anew in every epoch."""

    images: UInt8Images
    augmenter: RandAugment | None
    input_name: str = "image"

    def training_samples(self, rows: IndexArray, key: tuple[int, ...]) -> NDArray[Any]:
        """Return the images `rows`, augmented if there is an augmenter."""
        images = self.validation_samples(rows)
        return self.augmenter(images, key) if self.augmenter else images

    def validation_samples(self, rows: IndexArray) -> NDArray[Any]:
        """Return the images `rows`."""
        return np.stack([self.images[row] for row in rows.tolist()])


@dataclass(frozen=True, slots=True)
class ActivationSource:
    """Cached activations, float16 [n,h,w,c], of a view that is drawn anew in every epoch."""

    views: CachedViews
    input_name: str = "maps"

    def training_samples(self, rows: IndexArray, key: tuple[int, ...]) -> NDArray[Any]:
        """Return the activations of `rows`, each of a random view."""
        return self.views.sample_views(rows, np.random.default_rng(key))

    def validation_samples(self, rows: IndexArray) -> NDArray[Any]:
        """Return the activations of `rows` without augmentation."""
        return np.stack([self.views.original[row] for row in rows.tolist()])


class ImageBatchSource:
    """The `BatchSource` of images; order, augmentation and mixing depend on seed, epoch and step alone."""

    def __init__(
        self,
        job: TrainingJob,
        source: ImageArraySource,
        network: keras.Model,
        body: keras.Model,
        rate_factors: dict[str, float],
        batch_size: int,
        mixer: MixUpCutMix | None,
    ) -> None:
        """Take the samples of `job` from `source`; `body` is the convolutional network whose weights are exported."""
        self.network, self.body = network, body
        self.rate_factors: Mapping[str, float] = rate_factors
        self._source, self._mixer, self._seed = source, mixer, job.seed
        rows = np.concatenate([job.train_rows, job.val_rows])
        self._y, self._weight = training_targets(job)[rows], job.sample_weights[rows]
        self._train_count, self._batch_size = len(job.train_rows), batch_size

    def steps_per_epoch(self) -> int:
        """Return the number of full batches in the training set, at least 1; each epoch leaves out other samples."""
        return max(1, self._train_count // self._batch_size)

    def training_batch(self, epoch: int, step: int) -> Batch:
        """Return a training batch; if the set is smaller than a batch, copies of weight 0 pad it."""
        order = np.random.default_rng((self._seed, _SHUFFLE_STREAM, epoch)).permutation(self._train_count)
        rows, weight = self._pad_batch(order[step * self._batch_size : (step + 1) * self._batch_size])
        x, y = self._source.training_samples(rows, (self._seed, _VIEW_STREAM, epoch, step)), self._y[rows]
        if self._mixer:
            x, y, weight = self._mixer(x, y, weight, (self._seed, _MIX_STREAM, epoch, step))
        return Batch({self._source.input_name: x}, y, weight)

    def validation_batches(self) -> Iterator[Batch]:
        """Yield the validation set without augmentation; copies of weight 0 pad the last batch."""
        for at in range(self._train_count, len(self._y), self._batch_size):
            rows, weight = self._pad_batch(np.arange(at, min(at + self._batch_size, len(self._y))))
            yield Batch({self._source.input_name: self._source.validation_samples(rows)}, self._y[rows], weight)

    def _pad_batch(self, rows: IndexArray) -> tuple[IndexArray, NDArray[np.float32]]:
        missing = self._batch_size - len(rows)
        rows = np.append(rows, np.repeat(rows[:1], missing))
        weight = self._weight[rows]
        weight[self._batch_size - missing :] = 0
        return rows, weight


def decode_images(samples: Sequence[LabeledSample], inputs: Input, path: Path, progress: Progress) -> NDArray[np.uint8]:
    """Decode all images into the file `path`, unless it exists, and return it memory-mapped, uint8 [n,s,s,3].

    Raises:
        TrainingFailed: the file could not be written.
        InputError: an image can no longer be decoded.
    """
    if path.is_file():
        return map_npy(path)

    def decode_batch(batch: list[LabeledSample]) -> NDArray[np.uint8]:
        return np.stack([inputs(sample.read()) for sample in batch])

    with thread_pool() as pool, progress.bar("decoding images", len(samples)) as bar:
        return stream_to_npy(
            path,
            map_ordered(pool, decode_batch, batched(samples, IMAGES_PER_TASK), 2 * available_cores()),
            len(samples),
            bar,
        )
