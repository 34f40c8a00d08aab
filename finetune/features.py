"""What the trunk says of every sample, with the answers kept on disk."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from finetune.cache import FeatureCache, cache_path
from finetune.dataset import Bad, Dataset, Kind, Sample
from finetune.extraction import by_length, one_by_one
from finetune.rows import room, slices
from zoo.errors import DatasetError, TrunkError
from zoo.progress import Progress
from zoo.trunk import Trunk

Floats = NDArray[np.float32]

NAMED: Final = 20  # bad files that a message names


@dataclass(frozen=True, slots=True)
class Features:
    """What the trunk said of the n samples that could be used; `sha256` are their contents."""

    samples: tuple[Sample, ...]
    sha256: tuple[bytes, ...]
    x: Floats  # [n,d]; many of them lie in a file, see finetune.rows
    bad: tuple[Bad, ...]
    misnamed: tuple[str, ...]  # refs of files whose name says another format than their content
    extracted: int  # how many the trunk ran for; the others were in the cache
    tokens: int = 0  # of texts: how many tokens it ran for
    seconds: float = 0.0  # how long that took


def extract(trunk: Trunk, dataset: Dataset, max_bad: float, progress: Progress) -> Features:
    """Run `trunk` on every sample whose features are not cached yet.

    Raises:
        DatasetError: more than the share `max_bad` of the samples is unusable; the message names them.
        TrunkError: the trunk gave numbers that are not finite.
    """
    width = trunk.signature.outputs[0].shape[-1]
    total = len(dataset.samples) + len(dataset.bad)
    what = "rows" if dataset.kind is Kind.TEXT else "files"
    bad = list(dataset.bad)
    if len(bad) > max_bad * total:
        raise _too_many(dataset.source, bad, total, what, max_bad)
    run = one_by_one if dataset.kind is Kind.IMAGE else by_length
    x = room(len(dataset.samples), width)
    sha256: dict[int, bytes] = {}  # of the samples that could be used, by their number
    misnamed: list[int] = []
    extracted = tokens = 0
    start = time.perf_counter()
    with (
        FeatureCache(cache_path(trunk.inputs.spec(), trunk.sha256), width, progress) as cache,
        progress.bar("features", len(dataset.samples)) as bar,
    ):
        for answer in run(trunk, dataset.samples, cache):
            bar.advance()
            if answer.features is not None:
                x[answer.number] = answer.features
                sha256[answer.number] = answer.sha256
                misnamed += [answer.number] if answer.misnamed else []
                extracted, tokens = extracted + answer.extracted, tokens + answer.tokens
                continue
            bad.append(Bad(answer.sample.ref, answer.reason))
            if len(bad) > max_bad * total:
                raise _too_many(dataset.source, bad, total, what, max_bad)
    seconds = time.perf_counter() - start
    rows = sorted(sha256)
    x = _without_gaps(x, rows)
    if not all(np.isfinite(x[some]).all() for some in slices(*x.shape)):
        raise TrunkError(f"{trunk.path} gives numbers that are not finite. Build it anew: `zoo verify` says how.")
    return Features(
        samples=tuple(dataset.samples[row] for row in rows),
        sha256=tuple(sha256[row] for row in rows),
        x=x,
        bad=tuple(bad),
        misnamed=tuple(dataset.samples[row].ref for row in sorted(misnamed)),
        extracted=extracted,
        tokens=tokens,
        seconds=seconds,
    )


def _without_gaps(x: Floats, rows: Sequence[int]) -> Floats:
    """Return only `rows`, ascending, of `x` [n,d]; they are moved where they lie."""
    for to, row in enumerate(rows):
        if to != row:
            x[to] = x[row]
    return x[: len(rows)]


def named(bad: Sequence[Bad]) -> str:
    """Return a list of bad files with their reasons, one a line, the first NAMED of them."""
    lines = [f"  {one.ref}: {one.reason}" for one in bad[:NAMED]]
    if len(bad) > NAMED:
        lines.append(f"  … and {len(bad) - NAMED:,} more")
    return "\n".join(lines)


def _too_many(source: str, bad: Sequence[Bad], total: int, what: str, max_bad: float) -> DatasetError:
    return DatasetError(
        f"{len(bad):,} of the {total:,} {what} of {source} cannot be used, more than --max-bad {max_bad:g} allows:\n"
        f"{named(bad)}\nMend or remove them, or allow more with --max-bad. Nothing was trained."
    )
