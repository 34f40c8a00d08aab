"""What a finished run gives back. Light: what it holds is imported by whoever makes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from finetune.features import Features
    from finetune.learn import HeadFit
    from zoo.bundle import Bundle


@dataclass(frozen=True, slots=True)
class TrainResult:
    """A bundle, and what became of the samples on the way to it."""

    bundle: Bundle
    features: Features
    head_fit: HeadFit
