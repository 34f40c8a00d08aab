"""What the trunk says of every sample, with the answers kept on disk.

A trunk that reads what the data hold: texts, or pairs of them.

What the user hears of the samples once they are read.
"""

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
from finetune.features.unusable_samples import format_skipped, too_many_skipped_error
from graft.errors import TrunkError
from graft.inputs.text import TextInput
from graft.progress import Progress
from graft.types import Float32Array
from zoo.trunks.trunk import Trunk


@dataclass(frozen=True, slots=True)
class Features:
    """What the trunk said of the n samples that could be used; `sha256` are their contents."""

    samples: tuple[LabeledSample, ...]
    sha256: tuple[bytes, ...]
    x: Float32Array  # [n,d]; many of them lie in a file, see finetune.features.memmap_rows
    skipped_samples: tuple[SkippedSample, ...]
    misnamed_files: tuple[str, ...]  # refs of files whose name says another format than their content
    extracted_count: int  # how many the trunk ran for; the others were in the cache
    token_count: int = 0  # of texts: how many tokens it ran for
    seconds: float = 0.0  # how long that took


def extract_features(trunk: Trunk, dataset: Dataset, max_bad: float, progress: Progress) -> Features:
    """Run `trunk` on every sample whose features are not cached yet.

    Raises:
        DatasetError: more than the share `max_bad` of the samples is unusable; the message names them.
        TrunkError: the trunk gave numbers that are not finite.
    """
    width = trunk.signature.outputs[0].shape[-1]
    total = len(dataset.samples) + len(dataset.skipped_samples)
    what = "rows" if dataset.kind is DataKind.TEXT else "files"
    skipped_samples = list(dataset.skipped_samples)
    if len(skipped_samples) > max_bad * total:
        raise too_many_skipped_error(dataset.source, skipped_samples, total, what, max_bad)
    run = run_trunk_on_images if dataset.kind is DataKind.IMAGE else run_trunk_on_texts
    x = allocate_rows(len(dataset.samples), width)
    sha256: dict[int, bytes] = {}  # of the samples that could be used, by their number
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
            if len(skipped_samples) > max_bad * total:
                raise too_many_skipped_error(dataset.source, skipped_samples, total, what, max_bad)
    seconds = time.perf_counter() - start
    rows = sorted(sha256)
    x = _compact_rows(x, rows)
    if not all(np.isfinite(x[some]).all() for some in chunk_slices(*x.shape)):
        raise TrunkError(f"{trunk.path} gives numbers that are not finite. Build it anew: `zoo verify` says how.")
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
    """Return only `rows`, ascending, of `x` [n,d]; they are moved where they lie."""
    for to, row in enumerate(rows):
        if to != row:
            x[to] = x[row]
    return x[: len(rows)]


def with_text_pairs(trunk: Trunk, texts_per_sample: int) -> Trunk:
    """Return `trunk`, reading pairs of texts where `texts_per_sample` is 2."""
    if texts_per_sample == 1 or not isinstance(trunk.inputs, TextInput):
        return trunk
    pairs = dataclasses.replace(trunk.inputs, texts=2)
    return Trunk(trunk.path, trunk.sha256, trunk.signature, pairs, trunk.facts)


def report_features(features: Features, progress: Progress) -> None:
    """Say how many samples were read and how fast, and which are odd."""
    speed = f" ({features.token_count / features.seconds:,.0f} tokens a second)" if features.token_count else ""
    progress.log(
        f"features of {len(features.samples):,} samples: {features.extracted_count:,} extracted{speed}, "
        f"{len(features.samples) - features.extracted_count:,} from the cache"
    )
    if features.skipped_samples:
        progress.log(
            f"skipped {len(features.skipped_samples):,} that cannot be used:\n{format_skipped(features.skipped_samples)}"
        )
    if features.misnamed_files:
        progress.log(
            f"{len(features.misnamed_files):,} files are of another image format than their name says, and were read "
            f"as what they are: {', '.join(features.misnamed_files[:5])}{', …' if len(features.misnamed_files) > 5 else ''}"
        )
