"""Unusable samples: the limit on their share (--max-bad), and how they are listed in messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from finetune.data.dataset import DataKind, Dataset, SkippedSample
from graft.errors import DatasetError

MAX_SKIPPED_SHOWN: Final = 20  # unusable samples that a message lists


def check_unusable_share(dataset: Dataset, skipped_samples: Sequence[SkippedSample], max_bad: float) -> None:
    """Check that at most the share `max_bad` of the dataset's samples, skipped rows included, is unusable.

    Raises:
        DatasetError: more are; the message lists the first of them.
    """
    total = len(dataset.samples) + len(dataset.skipped_samples)
    if len(skipped_samples) > max_bad * total:
        noun = "rows" if dataset.kind is DataKind.TEXT else "files"
        raise DatasetError(
            f"{len(skipped_samples):,} of the {total:,} {noun} of {dataset.source} cannot be used, more than "
            f"--max-bad {max_bad:g} allows:\n{format_skipped(skipped_samples)}\n"
            "Fix or remove them, or allow more with --max-bad. Nothing was trained."
        )


def format_skipped(skipped_samples: Sequence[SkippedSample]) -> str:
    """Return the first unusable samples with their reasons, one a line.

    >>> print(format_skipped([SkippedSample("red/1.png", "it is empty.")]))
      red/1.png: it is empty.
    """
    lines = [f"  {one.ref}: {one.reason}" for one in skipped_samples[:MAX_SKIPPED_SHOWN]]
    if len(skipped_samples) > MAX_SKIPPED_SHOWN:
        lines.append(f"  … and {len(skipped_samples) - MAX_SKIPPED_SHOWN:,} more")
    return "\n".join(lines)
