"""How deep the pipeline goes, and how it trains there: what the user may say of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any, Final

from zoo.errors import RecipeError


class Depth(StrEnum):
    """How much of the network learns."""

    PROBE = "probe"  # the head only
    TOP = "top"  # the last blocks too
    FULL = "full"  # everything
    LORA = "lora"  # low-rank updates of attention, for text
    AUTO = "auto"  # deeper while it helps and time is left


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOptions:
    """How a deeper run trains; what is None is chosen by the depth and the data, and said.

    Raises:
        RecipeError: a number is out of its range.
    """

    epochs: int | None = None
    batch: int | None = None  # samples of one step; halved where memory runs out
    rate: float | None = None  # peak of the learning rate, for a batch of 32; others are scaled linearly
    layer_decay: float | None = None  # factor of the learning rate from one block to the one below it
    weight_decay: float | None = None
    smoothing: float | None = None  # of labels
    augment: bool = True  # RandAugment, MixUp and CutMix for pictures
    cut: str = ""  # `top`: name of the Keras layer whose output is cached; "": before the last two blocks
    views: int | None = None  # `top`: augmented views of each sample that are cached
    size: int | None = None  # `full`: side of the pictures in pixels; None: less than usual where they are small
    rank: int = 8  # `lora`
    patience: int = 3  # epochs without a better validation loss before it stops

    def __post_init__(self) -> None:
        for name, (low, high) in _TRAINING_RANGES.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise RecipeError(f"--{name.replace('_', '-')} is {value:g}; allowed is {low:g} to {high:g}.")

    def changed_options(self) -> tuple[str, ...]:
        """Return the options that say something else than by default, as the command line has them."""
        defaults = TrainingOptions()
        names = (field.name for field in fields(self) if getattr(self, field.name) != getattr(defaults, field.name))
        return tuple("--no-augment" if name == "augment" else f"--{name.replace('_', '-')}" for name in names)

    def with_defaults(self, defaults: Mapping[str, Any]) -> TrainingOptions:
        """Return it with what is None as `defaults` have it."""
        return replace(self, **{name: value for name, value in defaults.items() if getattr(self, name) is None})


_TRAINING_RANGES: Final[dict[str, tuple[float, float]]] = {
    "epochs": (1, 10_000),
    "batch": (1, 4096),
    "rate": (1e-7, 10),
    "layer_decay": (0.1, 1),
    "weight_decay": (0, 1),
    "smoothing": (0, 0.5),
    "views": (1, 64),
    "size": (32, 1024),
    "rank": (1, 256),
    "patience": (1, 10_000),
}
