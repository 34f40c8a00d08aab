"""What the user hears of the samples once they are read."""

from __future__ import annotations

from collections import defaultdict

from finetune.dataset import Dataset, Sample
from finetune.features import Features, named
from finetune.tasks import Task
from zoo.progress import Progress


def tell(features: Features, dataset: Dataset, progress: Progress) -> None:
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
    if dataset.task is Task.CLASSIFY and (twofold := contradictions(features)):
        progress.say(
            f"{len(twofold):,} {dataset.kind.plural} are in the data under more than one class "
            f"({' = '.join(twofold[0])}): no model can learn both. Remove the wrong ones."
        )


def contradictions(features: Features) -> list[list[str]]:
    """Return the refs of exact copies that have different labels, a list for each content."""
    copies: defaultdict[bytes, list[Sample]] = defaultdict(list)
    for sha256, sample in zip(features.sha256, features.samples, strict=True):
        copies[sha256].append(sample)
    return [[one.ref for one in same] for same in copies.values() if len({one.label for one in same}) > 1]
