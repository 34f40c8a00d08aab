"""What the user hears of the samples once they are read."""

from __future__ import annotations

from finetune.features import Features, named
from zoo.progress import Progress


def tell(features: Features, progress: Progress) -> None:
    """Say how many samples were read and how fast, and which are odd."""
    speed = f" ({features.tokens / features.seconds:,.0f} tokens a second)" if features.tokens else ""
    progress.say(
        f"features of {len(features.samples):,} samples: {features.extracted:,} extracted{speed}, "
        f"{len(features.samples) - features.extracted:,} from the cache"
    )
    if features.bad:
        progress.say(f"skipped {len(features.bad):,} that cannot be used:\n{named(features.bad)}")
    if features.misnamed:
        progress.say(
            f"{len(features.misnamed):,} files are of another image format than their name says, and were read "
            f"as what they are: {', '.join(features.misnamed[:5])}{', …' if len(features.misnamed) > 5 else ''}"
        )
