"""Samples through a trunk on all cores: pictures one by one, texts in batches of like length.

one_by_one   a sample at a time: its features depend on nothing but itself, and a batch of pictures on one
             thread gains little
by_length    tokenise all, sort by length, pad little: texts differ tenfold in length, and padding costs as
             much as text. Batches depend on the contents alone, not on names or order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from numpy.typing import NDArray

from finetune.data.dataset import LabeledSample
from finetune.features.feature_cache import FeatureCache
from graft.errors import InputError
from graft.inputs.magic_bytes import sniff_format
from graft.inputs.open_input import SampleArray as Array
from graft.runtime.cpu_threads import available_cores, batched, map_ordered, thread_pool
from graft.types import Float32Array
from zoo.trunks.trunk import Trunk

Work = TypeVar("Work")
Done = TypeVar("Done")
IndexedSample = tuple[int, LabeledSample]

IMAGES_PER_POOL_TASK: Final = 8  # samples that one task of the pool reads, looks up and runs
TEXTS_PER_POOL_TASK: Final = 64  # texts that one task reads, looks up and tokenises
TEXT_BATCH_SIZE: Final = 8  # texts that go through the trunk together: faster than 16 or 32 (benchmarks/reuters.py)
_FORMAT_BY_EXTENSION: Final = {
    ".jpg": "JPEG", ".jpeg": "JPEG", ".jpe": "JPEG", ".jfif": "JPEG", ".png": "PNG", ".webp": "WEBP",
    ".bmp": "BMP", ".dib": "BMP", ".gif": "GIF", ".heic": "HEIC", ".tif": "TIFF", ".tiff": "TIFF", ".avif": "AVIF",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class SampleFeatures:
    """What became of one sample: features float32 [d], or a reason why there are none."""

    index: int  # of the sample in the data set
    sample: LabeledSample
    sha256: bytes = b""
    features: Float32Array | None = None
    reason: str = ""
    is_misnamed: bool = False
    is_new: bool = False
    token_count: int = 0  # that the trunk ran for


@dataclass(frozen=True, slots=True)
class _TrunkInput:
    """A sample that is decoded or tokenised and waits for the trunk."""

    index: int
    sample: LabeledSample
    sha256: bytes
    array: Array
    is_misnamed: bool


def run_trunk_on_images(
    trunk: Trunk, samples: Sequence[LabeledSample], cache: FeatureCache
) -> Iterator[SampleFeatures]:
    """Yield the answer to each sample in order."""

    def work(numbered: Sequence[IndexedSample]) -> list[SampleFeatures]:
        read = (_prepare_sample(trunk, one, cache) for one in numbered)
        return [_run_batch(trunk, [one], cache)[0] if isinstance(one, _TrunkInput) else one for one in read]

    yield from (
        answer for some in _map_in_pool(work, batched(enumerate(samples), IMAGES_PER_POOL_TASK)) for answer in some
    )


def run_trunk_on_texts(trunk: Trunk, samples: Sequence[LabeledSample], cache: FeatureCache) -> Iterator[SampleFeatures]:
    """Yield the answer to each sample, in any order: first those that need no trunk, then the longest."""

    def work(numbered: Sequence[IndexedSample]) -> list[SampleFeatures | _TrunkInput]:
        return [_prepare_sample(trunk, one, cache) for one in numbered]

    pending: list[_TrunkInput] = []
    for some in _map_in_pool(work, batched(enumerate(samples), TEXTS_PER_POOL_TASK)):
        yield from (one for one in some if isinstance(one, SampleFeatures))
        pending += [one for one in some if isinstance(one, _TrunkInput)]
    pending.sort(key=lambda one: (-len(one.array), one.sha256))
    batches = _map_in_pool(lambda batch: _run_batch(trunk, batch, cache), batched(pending, TEXT_BATCH_SIZE))
    yield from (answer for some in batches for answer in some)


def _map_in_pool(work: Callable[[list[Work]], Done], batches: Iterable[list[Work]]) -> Iterator[Done]:
    """Yield `work` of each thing in order, done by a pool as wide as the cores we may use."""
    with thread_pool() as pool:
        yield from map_ordered(pool, work, batches, 2 * available_cores())


def _prepare_sample(trunk: Trunk, indexed: IndexedSample, cache: FeatureCache) -> SampleFeatures | _TrunkInput:
    """Read and decode one sample, unless its features are known."""
    number, sample = indexed
    try:
        data = sample.read()
        sha256 = hashlib.sha256(data).digest()
        expected_format = _FORMAT_BY_EXTENSION.get(Path(sample.ref).suffix.lower())
        is_misnamed = expected_format is not None and expected_format != sniff_format(data)
        if (cached := cache.get(sha256)) is not None:
            return SampleFeatures(number, sample, sha256, cached, is_misnamed=is_misnamed)
        return _TrunkInput(number, sample, sha256, trunk.inputs(data), is_misnamed)
    except (OSError, ValueError) as fault:  # ValueError: a NUL in a path that a table names
        return SampleFeatures(number, sample, reason=f"cannot be read ({getattr(fault, 'strerror', None) or fault}).")
    except InputError as fault:
        return SampleFeatures(number, sample, reason=str(fault))


def _run_batch(trunk: Trunk, inputs: Sequence[_TrunkInput], cache: FeatureCache) -> list[SampleFeatures]:
    """Run the trunk on a batch and remember what it says."""
    features = trunk(trunk.inputs.batch([one.array for one in inputs]))
    answers = []
    for one, x in zip(inputs, features, strict=True):
        cache.put(one.sha256, x)
        tokens = _count_tokens(one.array)
        answers.append(
            SampleFeatures(
                one.index, one.sample, one.sha256, x, is_misnamed=one.is_misnamed, is_new=True, token_count=tokens
            )
        )
    return answers


def _count_tokens(array: NDArray[Any]) -> int:
    """Return how many tokens a text has; 0 of a picture."""
    return len(array) if array.ndim == 1 else 0
