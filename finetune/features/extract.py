"""Feature extraction: run the trunk on every sample whose features are not in the cache, and report the result."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from finetune.data.dataset import DataKind, Dataset, LabeledSample, SkippedSample
from finetune.features.feature_cache import FeatureCache, feature_cache_path
from finetune.features.memmap_rows import allocate_rows, chunk_slices
from finetune.features.run_trunk import run_trunk_on_images, run_trunk_on_texts
from finetune.features.unusable_samples import check_unusable_share, format_skipped
from graft.errors import TrunkError
from graft.inputs.text import TextInput
from graft.progress import Progress
from graft.types import Float32Array
from zoo.trunks.trunk import Trunk


@dataclass(frozen=True, slots=True)
class Features:
    """The features of the n usable samples of a dataset."""

    samples: tuple[LabeledSample, ...]
    sha256: tuple[bytes, ...]  # n, of their contents
    x: Float32Array  # [n,d]; in a memory-mapped file if large, see finetune.features.memmap_rows
    skipped_samples: tuple[SkippedSample, ...]
    misnamed_files: tuple[str, ...]  # refs of files whose extension does not match the format of their content
    extracted_count: int  # samples that the trunk ran on; the others were in the cache
    token_count: int = 0  # tokens of texts that the trunk ran on
    seconds: float = 0.0  # duration of the extraction


def extract_features(trunk: Trunk, dataset: Dataset, max_bad: float, progress: Progress) -> Features:
    """Return the features of `dataset`, running `trunk` on the samples whose features are not cached.

    Raises:
        DatasetError: more than the share `max_bad` of the samples is unusable; the message lists them.
        TrunkError: the trunk returned values that are not finite.
    """
    width = trunk.signature.outputs[0].shape[-1]
    skipped_samples = list(dataset.skipped_samples)
    check_unusable_share(dataset, skipped_samples, max_bad)
    run = run_trunk_on_images if dataset.kind is DataKind.IMAGE else run_trunk_on_texts
    x = allocate_rows(len(dataset.samples), width)
    sha256: dict[int, bytes] = {}  # of the usable samples, by row
    misnamed_rows: list[int] = []
    extracted = tokens = 0
    start = time.perf_counter()
    with (
        FeatureCache(feature_cache_path(trunk.inputs.spec(), trunk.sha256), width, progress) as cache,
        progress.bar("features", len(dataset.samples)) as bar,
    ):
        for answer in run(trunk, dataset.samples, cache):
            bar.advance()
            if answer.features is not None:
                x[answer.index] = answer.features
                sha256[answer.index] = answer.sha256
                misnamed_rows += [answer.index] if answer.is_misnamed else []
                extracted, tokens = extracted + answer.is_new, tokens + answer.token_count
                continue
            skipped_samples.append(SkippedSample(answer.sample.ref, answer.reason))
            check_unusable_share(dataset, skipped_samples, max_bad)
    seconds = time.perf_counter() - start
    rows = sorted(sha256)
    x = _compact_rows(x, rows)
    if not all(np.isfinite(x[some]).all() for some in chunk_slices(*x.shape)):
        raise TrunkError(f"{trunk.path} returns values that are not finite. Rebuild it: `zoo verify` shows how.")
    return Features(
        samples=tuple(dataset.samples[row] for row in rows),
        sha256=tuple(sha256[row] for row in rows),
        x=x,
        skipped_samples=tuple(skipped_samples),
        misnamed_files=tuple(dataset.samples[row].ref for row in sorted(misnamed_rows)),
        extracted_count=extracted,
        token_count=tokens,
        seconds=seconds,
    )


def _compact_rows(x: Float32Array, rows: Sequence[int]) -> Float32Array:
    """Return only `rows` (ascending) of `x` [n,d], moved to its front in place."""
    for to, row in enumerate(rows):
        if to != row:
            x[to] = x[row]
    return x[: len(rows)]


def with_text_pairs(trunk: Trunk, texts_per_sample: int) -> Trunk:
    """Return `trunk` with an input that reads pairs of texts if `texts_per_sample` is 2; else `trunk` itself."""
    if texts_per_sample == 1 or not isinstance(trunk.inputs, TextInput):
        return trunk
    pairs = dataclasses.replace(trunk.inputs, texts=2)
    return Trunk(trunk.path, trunk.sha256, trunk.signature, pairs, trunk.facts)


def report_features(features: Features, progress: Progress) -> None:
    """Log how many features were extracted and how fast, and the skipped and misnamed samples."""
    speed = f" ({features.token_count / features.seconds:,.0f} tokens a second)" if features.token_count else ""
    progress.log(
        f"features of {len(features.samples):,} samples: {features.extracted_count:,} extracted{speed}, "
        f"{len(features.samples) - features.extracted_count:,} from the cache"
    )
    if features.skipped_samples:
        progress.log(
            f"skipped {len(features.skipped_samples):,} unusable samples:\n{format_skipped(features.skipped_samples)}"
        )
    if features.misnamed_files:
        progress.log(
            f"{len(features.misnamed_files):,} files have an extension that does not match their image format; "
            "they were read by content: "
            f"{', '.join(features.misnamed_files[:5])}{', …' if len(features.misnamed_files) > 5 else ''}"
        )
