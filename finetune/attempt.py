"""One depth that was gone to: the trunk there, what it says, and the head on it."""

from __future__ import annotations

from dataclasses import dataclass

from finetune.features import Features
from finetune.learn import Learnt
from finetune.lesson import Deepened
from finetune.training import Depth
from zoo.trunk import Trunk


@dataclass(frozen=True, slots=True)
class Attempt:
    """What could be published."""

    depth: Depth
    trunk: Trunk
    features: Features
    learnt: Learnt
    deepened: Deepened | None = None  # None: the probe
