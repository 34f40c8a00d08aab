"""What a finished run gives back. Light: what it holds is imported by whoever makes it.

One depth that was gone to: the trunk there, what it says, and the head on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from finetune.deep.training_job import DeepRunResult
    from finetune.features.extract import Features
    from finetune.head.fit import HeadFit
    from finetune.recipe import Depth
    from graft.bundle.open_bundle import Bundle
    from zoo.trunks.trunk import Trunk


@dataclass(frozen=True, slots=True)
class TrainResult:
    """A bundle, and what became of the samples on the way to it."""

    bundle: Bundle
    features: Features
    head_fit: HeadFit


@dataclass(frozen=True, slots=True)
class TrainedCandidate:
    """What could be published."""

    depth: Depth
    trunk: Trunk
    features: Features
    head_fit: HeadFit
    deep_run: DeepRunResult | None = None  # None: the probe
