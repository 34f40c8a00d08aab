"""What the user hears of the samples once they are read."""

from __future__ import annotations

from finetune.features import Features, format_skipped
from zoo.progress import Progress


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
