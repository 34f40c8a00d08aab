"""Results of a run: the published bundle, and the candidates (one per depth) that it was chosen from.

Imports nothing heavy, so that `import finetune` stays fast.
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
    """The result of `finetune.train`: the published bundle, the features of its samples, and the fitted head."""

    bundle: Bundle
    features: Features
    head_fit: HeadFit


@dataclass(frozen=True, slots=True)
class TrainedCandidate:
    """A trained model at one depth that could be published: its trunk, the features from it, and the head."""

    depth: Depth
    trunk: Trunk
    features: Features
    head_fit: HeadFit
    deep_run: DeepRunResult | None = None  # None for the probe
