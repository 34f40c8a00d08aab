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

import numpy as np
from numpy.typing import NDArray

from finetune.cache import FeatureCache
from finetune.dataset import Sample
from zoo.cores import cores
from zoo.errors import InputError
from zoo.inputs import Sample as Array
from zoo.pool import crew, cut, done_by
from zoo.sniff import sniff
from zoo.trunk import Trunk

Floats = NDArray[np.float32]
Work = TypeVar("Work")
Done = TypeVar("Done")
Numbered = tuple[int, Sample]

TASK: Final = 8  # samples that one task of the pool reads, looks up and runs
READ: Final = 64  # texts that one task reads, looks up and tokenises
BATCH: Final = 8  # texts that go through the trunk together: faster than 16 or 32 (benchmarks/reuters.py)
_SUFFIXES: Final = {
    ".jpg": "JPEG", ".jpeg": "JPEG", ".jpe": "JPEG", ".jfif": "JPEG", ".png": "PNG", ".webp": "WEBP",
    ".bmp": "BMP", ".dib": "BMP", ".gif": "GIF", ".heic": "HEIC", ".tif": "TIFF", ".tiff": "TIFF", ".avif": "AVIF",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one sample: features float32 [d], or a reason why there are none."""

    number: int  # of the sample in the data set
    sample: Sample
    sha256: bytes = b""
    features: Floats | None = None
    reason: str = ""
    misnamed: bool = False
    extracted: bool = False
    tokens: int = 0  # that the trunk ran for


@dataclass(frozen=True, slots=True)
class _Ready:
    """A sample that is decoded or tokenised and waits for the trunk."""

    number: int
    sample: Sample
    sha256: bytes
    array: Array
    misnamed: bool


def one_by_one(trunk: Trunk, samples: Sequence[Sample], cache: FeatureCache) -> Iterator[Answer]:
    """Yield the answer to each sample in order."""

    def work(numbered: Sequence[Numbered]) -> list[Answer]:
        read = (_read(trunk, one, cache) for one in numbered)
        return [_run(trunk, [one], cache)[0] if isinstance(one, _Ready) else one for one in read]

    yield from (answer for some in _pooled(work, cut(enumerate(samples), TASK)) for answer in some)


def by_length(trunk: Trunk, samples: Sequence[Sample], cache: FeatureCache) -> Iterator[Answer]:
    """Yield the answer to each sample, in any order: first those that need no trunk, then the longest."""

    def work(numbered: Sequence[Numbered]) -> list[Answer | _Ready]:
        return [_read(trunk, one, cache) for one in numbered]

    waiting: list[_Ready] = []
    for some in _pooled(work, cut(enumerate(samples), READ)):
        yield from (one for one in some if isinstance(one, Answer))
        waiting += [one for one in some if isinstance(one, _Ready)]
    waiting.sort(key=lambda one: (-len(one.array), one.sha256))
    batches = _pooled(lambda batch: _run(trunk, batch, cache), cut(waiting, BATCH))
    yield from (answer for some in batches for answer in some)


def _pooled(work: Callable[[list[Work]], Done], things: Iterable[list[Work]]) -> Iterator[Done]:
    """Yield `work` of each thing in order, done by a pool as wide as the cores we may use."""
    with crew() as pool:
        yield from done_by(pool, work, things, 2 * cores())


def _read(trunk: Trunk, numbered: Numbered, cache: FeatureCache) -> Answer | _Ready:
    """Read and decode one sample, unless its features are known."""
    number, sample = numbered
    try:
        data = sample.read()
        sha256 = hashlib.sha256(data).digest()
        said = _SUFFIXES.get(Path(sample.ref).suffix.lower())
        misnamed = said is not None and said != sniff(data)
        if (known := cache.get(sha256)) is not None:
            return Answer(number, sample, sha256, known, misnamed=misnamed)
        return _Ready(number, sample, sha256, trunk.inputs(data), misnamed)
    except (OSError, ValueError) as fault:  # ValueError: a NUL in a path that a table names
        return Answer(number, sample, reason=f"cannot be read ({getattr(fault, 'strerror', None) or fault}).")
    except InputError as fault:
        return Answer(number, sample, reason=str(fault))


def _run(trunk: Trunk, ready: Sequence[_Ready], cache: FeatureCache) -> list[Answer]:
    """Run the trunk on a batch and remember what it says."""
    features = trunk(trunk.inputs.batch([one.array for one in ready]))
    answers = []
    for one, x in zip(ready, features, strict=True):
        cache.put(one.sha256, x)
        tokens = _tokens(one.array)
        answers.append(
            Answer(one.number, one.sample, one.sha256, x, misnamed=one.misnamed, extracted=True, tokens=tokens)
        )
    return answers


def _tokens(array: NDArray[Any]) -> int:
    """Return how many tokens a text has; 0 of a picture."""
    return len(array) if array.ndim == 1 else 0
