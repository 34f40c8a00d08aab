from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from finetune.data.dataset import SkippedSample
from graft.errors import DatasetError

MAX_SKIPPED_SHOWN: Final = 20  # bad files that a message names


def format_skipped(skipped_samples: Sequence[SkippedSample]) -> str:
    """Return a list of bad files with their reasons, one a line, the first NAMED of them."""
    lines = [f"  {one.ref}: {one.reason}" for one in skipped_samples[:MAX_SKIPPED_SHOWN]]
    if len(skipped_samples) > MAX_SKIPPED_SHOWN:
        lines.append(f"  … and {len(skipped_samples) - MAX_SKIPPED_SHOWN:,} more")
    return "\n".join(lines)


def too_many_skipped_error(
    source: str, skipped_samples: Sequence[SkippedSample], total: int, noun: str, max_bad: float
) -> DatasetError:
    return DatasetError(
        f"{len(skipped_samples):,} of the {total:,} {noun} of {source} cannot be used, more than --max-bad {max_bad:g} allows:\n"
        f"{format_skipped(skipped_samples)}\nMend or remove them, or allow more with --max-bad. Nothing was trained."
    )
