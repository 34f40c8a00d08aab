"""Run a trunk on samples with all cores: images one by one, texts in batches of similar length.

Images: one sample at a time, so that its features depend on nothing else; on one thread a batch gains little.
Texts: tokenise all, sort by length, and pad little, as lengths differ tenfold and padding costs as much as text.
Batches depend only on the contents, not on names or order.
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

Item = TypeVar("Item")
Result = TypeVar("Result")
IndexedSample = tuple[int, LabeledSample]

IMAGES_PER_POOL_TASK: Final = 8  # images that one task of the pool reads, looks up and runs
TEXTS_PER_POOL_TASK: Final = 64  # texts that one task reads, looks up and tokenises
TEXT_BATCH_SIZE: Final = 8  # faster than 16 or 32 (benchmarks/reuters.py)
_FORMAT_BY_EXTENSION: Final = {
    ".jpg": "JPEG", ".jpeg": "JPEG", ".jpe": "JPEG", ".jfif": "JPEG", ".png": "PNG", ".webp": "WEBP",
    ".bmp": "BMP", ".dib": "BMP", ".gif": "GIF", ".heic": "HEIC", ".tif": "TIFF", ".tiff": "TIFF", ".avif": "AVIF",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class SampleFeatures:
    """The result for one sample: its features float32 [d], or the reason why it is unusable."""

    index: int  # of the sample in the dataset
    sample: LabeledSample
    sha256: bytes = b""
    features: Float32Array | None = None
    reason: str = ""
    is_misnamed: bool = False
    is_new: bool = False
    token_count: int = 0  # of a text that the trunk ran on


@dataclass(frozen=True, slots=True)
class _TrunkInput:
    """A decoded or tokenised sample, ready for the trunk."""

    index: int
    sample: LabeledSample
    sha256: bytes
    array: Array
    is_misnamed: bool


def run_trunk_on_images(
    trunk: Trunk, samples: Sequence[LabeledSample], cache: FeatureCache
) -> Iterator[SampleFeatures]:
    """Yield the result for each image, in order."""

    def work(numbered: Sequence[IndexedSample]) -> list[SampleFeatures]:
        read = (_prepare_sample(trunk, one, cache) for one in numbered)
        return [_run_batch(trunk, [one], cache)[0] if isinstance(one, _TrunkInput) else one for one in read]

    yield from (
        result for some in _map_in_pool(work, batched(enumerate(samples), IMAGES_PER_POOL_TASK)) for result in some
    )


def run_trunk_on_texts(trunk: Trunk, samples: Sequence[LabeledSample], cache: FeatureCache) -> Iterator[SampleFeatures]:
    """Yield the result for each text, cached and unusable ones first, then the others from the longest on."""

    def work(numbered: Sequence[IndexedSample]) -> list[SampleFeatures | _TrunkInput]:
        return [_prepare_sample(trunk, one, cache) for one in numbered]

    pending: list[_TrunkInput] = []
    for some in _map_in_pool(work, batched(enumerate(samples), TEXTS_PER_POOL_TASK)):
        yield from (one for one in some if isinstance(one, SampleFeatures))
        pending += [one for one in some if isinstance(one, _TrunkInput)]
    pending.sort(key=lambda one: (-len(one.array), one.sha256))
    batches = _map_in_pool(lambda batch: _run_batch(trunk, batch, cache), batched(pending, TEXT_BATCH_SIZE))
    yield from (result for some in batches for result in some)


def _map_in_pool(work: Callable[[list[Item]], Result], batches: Iterable[list[Item]]) -> Iterator[Result]:
    """Yield `work(batch)` for each batch, in order, computed by one thread per available core."""
    with thread_pool() as pool:
        yield from map_ordered(pool, work, batches, 2 * available_cores())


def _prepare_sample(trunk: Trunk, indexed: IndexedSample, cache: FeatureCache) -> SampleFeatures | _TrunkInput:
    """Read one sample; return its cached features, its decoded input, or the reason why it is unusable."""
    number, sample = indexed
    try:
        data = sample.read()
        sha256 = hashlib.sha256(data).digest()
        expected_format = _FORMAT_BY_EXTENSION.get(Path(sample.ref).suffix.lower())
        is_misnamed = expected_format is not None and expected_format != sniff_format(data)
        if (cached := cache.get(sha256)) is not None:
            return SampleFeatures(number, sample, sha256, cached, is_misnamed=is_misnamed)
        return _TrunkInput(number, sample, sha256, trunk.inputs(data), is_misnamed)
    except (OSError, ValueError) as fault:  # ValueError: a NUL character in a path from a table
        return SampleFeatures(number, sample, reason=f"cannot be read ({getattr(fault, 'strerror', None) or fault}).")
    except InputError as fault:
        return SampleFeatures(number, sample, reason=str(fault))


def _run_batch(trunk: Trunk, inputs: Sequence[_TrunkInput], cache: FeatureCache) -> list[SampleFeatures]:
    """Run the trunk on a batch and cache its features."""
    features = trunk(trunk.inputs.batch([one.array for one in inputs]))
    results = []
    for one, x in zip(inputs, features, strict=True):
        cache.put(one.sha256, x)
        tokens = _count_tokens(one.array)
        results.append(
            SampleFeatures(
                one.index, one.sample, one.sha256, x, is_misnamed=one.is_misnamed, is_new=True, token_count=tokens
            )
        )
    return results


def _count_tokens(array: NDArray[Any]) -> int:
    """Return the number of tokens of a text; 0 for an image."""
    return len(array) if array.ndim == 1 else 0
