"""What the trunk says of every sample: read, decode, run, on all cores, with the answers kept on disk."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from finetune.cache import FeatureCache, cache_path
from finetune.dataset import Dataset, Sample
from zoo.cores import cores
from zoo.errors import DatasetError, InputError, TrunkError
from zoo.inputs import ImageInput
from zoo.progress import Progress
from zoo.sniff import sniff
from zoo.trunk import Trunk

Floats = NDArray[np.float32]

TASK: Final = 8  # samples that one task of the pool reads, looks up and runs
NAMED: Final = 20  # bad files that a message names
_SUFFIXES: Final = {
    ".jpg": "JPEG", ".jpeg": "JPEG", ".jpe": "JPEG", ".jfif": "JPEG", ".png": "PNG", ".webp": "WEBP",
    ".bmp": "BMP", ".dib": "BMP", ".gif": "GIF", ".heic": "HEIC", ".tif": "TIFF", ".tiff": "TIFF", ".avif": "AVIF",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Bad:
    """A sample that cannot be used, and why."""

    ref: str
    reason: str


@dataclass(frozen=True, slots=True)
class Features:
    """What the trunk said of the n samples that could be used; `sha256` are their contents."""

    samples: tuple[Sample, ...]
    sha256: tuple[bytes, ...]
    x: Floats  # [n,d]
    bad: tuple[Bad, ...]
    misnamed: tuple[str, ...]  # refs of files whose name says another format than their content
    extracted: int  # how many the trunk ran for; the others were in the cache


@dataclass(frozen=True, slots=True)
class _Answer:
    """What became of one sample: features float32 [d] or a reason why there are none."""

    sample: Sample
    sha256: bytes = b""
    features: Floats | None = None
    reason: str = ""
    misnamed: bool = False
    extracted: bool = False


def extract(trunk: Trunk, inputs: ImageInput, dataset: Dataset, max_bad: float, progress: Progress) -> Features:
    """Run `trunk` on every sample whose features are not cached yet.

    Raises:
        DatasetError: more than the share `max_bad` of the samples is unusable; the message names them.
        TrunkError: the trunk gave numbers that are not finite.
    """
    width = trunk.signature.outputs[0].shape[-1]
    total = len(dataset.samples)
    answers: list[_Answer] = []
    bad: list[Bad] = []
    with (
        FeatureCache(cache_path(inputs.spec(), trunk.sha256), width, progress) as cache,
        progress.bar("features", total) as bar,
    ):
        for answer in _answers(trunk, inputs, dataset.samples, cache):
            bar.advance()
            if answer.features is not None:
                answers.append(answer)
                continue
            bad.append(Bad(answer.sample.ref, answer.reason))
            if len(bad) > max_bad * total:
                raise _too_many(dataset.source, bad, total, max_bad)
    x = (
        np.stack([answer.features for answer in answers if answer.features is not None])
        if answers
        else np.empty((0, width), np.float32)
    )
    if not np.isfinite(x).all():
        raise TrunkError(f"{trunk.path} gives numbers that are not finite. Build it anew: `zoo verify` says how.")
    return Features(
        samples=tuple(answer.sample for answer in answers),
        sha256=tuple(answer.sha256 for answer in answers),
        x=x,
        bad=tuple(bad),
        misnamed=tuple(answer.sample.ref for answer in answers if answer.misnamed),
        extracted=sum(answer.extracted for answer in answers),
    )


def named(bad: Sequence[Bad]) -> str:
    """Return a list of bad files with their reasons, one a line, the first NAMED of them."""
    lines = [f"  {one.ref}: {one.reason}" for one in bad[:NAMED]]
    if len(bad) > NAMED:
        lines.append(f"  … and {len(bad) - NAMED:,} more")
    return "\n".join(lines)


def _too_many(source: str, bad: Sequence[Bad], total: int, max_bad: float) -> DatasetError:
    return DatasetError(
        f"{len(bad):,} of the {total:,} files of {source} cannot be used, more than --max-bad {max_bad:g} allows:\n"
        f"{named(bad)}\nMend or remove them, or allow more with --max-bad. Nothing was trained."
    )


def _answers(trunk: Trunk, inputs: ImageInput, samples: Sequence[Sample], cache: FeatureCache) -> Iterator[_Answer]:
    """Yield the answer to each sample in order, worked out by a pool as wide as the cores we may use.

    One picture at a time goes through the trunk: so its features depend on nothing but itself, and
    a batch on one thread gains little.
    """
    workers = cores()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="features")
    tasks = iter(_tasks(samples))
    try:
        running: deque[Future[list[_Answer]]] = deque(
            pool.submit(_work, trunk, inputs, task, cache) for task in islice(tasks, 2 * workers)
        )
        while running:
            yield from running.popleft().result()
            running.extend(pool.submit(_work, trunk, inputs, task, cache) for task in islice(tasks, 1))
    finally:
        pool.shutdown(cancel_futures=True)


def _tasks(samples: Sequence[Sample]) -> Iterable[Sequence[Sample]]:
    return (samples[start : start + TASK] for start in range(0, len(samples), TASK))


def _work(trunk: Trunk, inputs: ImageInput, samples: Sequence[Sample], cache: FeatureCache) -> list[_Answer]:
    return [_answer(trunk, inputs, sample, cache) for sample in samples]


def _answer(trunk: Trunk, inputs: ImageInput, sample: Sample, cache: FeatureCache) -> _Answer:
    try:
        data = sample.read()
        sha256 = hashlib.sha256(data).digest()
        said = _SUFFIXES.get(Path(sample.ref).suffix.lower())
        misnamed = said is not None and said != sniff(data)
        if (known := cache.get(sha256)) is not None:
            return _Answer(sample, sha256, known, misnamed=misnamed)
        features = trunk(inputs(data)[None])[0]
    except (OSError, ValueError) as fault:  # ValueError: a NUL in a path that a table names
        return _Answer(sample, reason=f"cannot be read ({getattr(fault, 'strerror', None) or fault}).")
    except InputError as fault:
        return _Answer(sample, reason=str(fault))
    cache.put(sha256, features)
    return _Answer(sample, sha256, features, misnamed=misnamed, extracted=True)
