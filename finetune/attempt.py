"""One depth that was gone to: the trunk there, what it says, and the head on it."""

from __future__ import annotations

from dataclasses import dataclass

from finetune.features import Features
from finetune.learn import HeadFit
from finetune.lesson import DeepRunResult
from finetune.training import Depth
from zoo.trunk import Trunk


@dataclass(frozen=True, slots=True)
class TrainedCandidate:
    """What could be published."""

    depth: Depth
    trunk: Trunk
    features: Features
    head_fit: HeadFit
    deep_run: DeepRunResult | None = None  # None: the probe
