"""What the user asked for: one frozen value, checked as far as it can be without looking at anything.

How deep the pipeline goes, and how it trains there: what the user may say of it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from finetune.data.dataset import ARCHIVE_EXTENSIONS, DataOptions, Dataset
from graft.bundle.repository import validate_model_name
from graft.errors import RecipeError
from zoo.catalog.backbone import Precision

TABLE_EXTENSIONS: Final = ("csv", "tsv", "tab", "txt", "jsonl", "ndjson", "json", "parquet", "pq", "xlsx", "xlsm")


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One wish to fine-tune.

    Raises:
        RecipeError: a number is out of its range, or the name is not allowed.
    """

    data: str | Dataset  # a folder, a table, an archive, "sample:digits"; or what finetune.dataset_of made
    data_options: DataOptions = field(default_factory=DataOptions)  # what the user says of the data
    name: str = ""  # of the model; "": after the data
    models: Path = Path("models")
    backbone: str = ""  # "": the default for the kind of the data
    precision: Precision | None = None  # None: the backbone's own default
    seed: int = 0
    val: float = 0.2  # share of the samples
    test: float = 0.2  # share of the samples
    max_bad: float = 0.05  # share of the samples that may be unusable
    own_samples: bool = True  # the user's samples may stand in the bundle and in the report
    depth: Depth = Depth.PROBE
    training: TrainingOptions = field(default_factory=TrainingOptions)  # of depths beyond the probe
    budget: float | None = None  # seconds for the whole run, where the depth is auto; None: ten minutes
    resume: bool = False  # go on where the same run was stopped
    unknown_at: float | None = None  # share of the validation samples that stay known; None: never say "unknown"
    tune: int = 0  # trials of a search for the recipe
    tensorboard: Path | None = None

    def __post_init__(self) -> None:
        for option in ("val", "test"):
            if not 0 < getattr(self, option) < 1:
                raise RecipeError(
                    f"--{option} is {getattr(self, option):g}; allowed is a share between 0 and 1, such as 0.2."
                )
        if self.val + self.test >= 1:
            raise RecipeError(
                f"--val {self.val:g} and --test {self.test:g} leave nothing to train on; "
                "together they must stay under 1. The default is 0.2 each."
            )
        if len(self.data_options.text) > 2 or len(set(self.data_options.text)) < len(self.data_options.text):
            raise RecipeError("--text is given once for texts, or twice with different columns for pairs of texts.")
        if not 0 <= self.max_bad <= 1:
            raise RecipeError(f"--max-bad is {self.max_bad:g}; allowed is a share from 0 to 1, such as 0.05.")
        if not 0 <= self.seed < 2**32:
            raise RecipeError(f"--seed is {self.seed}; allowed are whole numbers from 0 to 4294967295.")
        self._check_run_options()
        object.__setattr__(self, "name", validate_model_name(self.name or derive_model_name(self.data)))

    def _check_run_options(self) -> None:
        if self.budget is not None and not 0 < self.budget < float("inf"):
            raise RecipeError(f"--budget is {self.budget:g} seconds; allowed is more than nothing, such as 10m.")
        if self.budget is not None and self.depth is not Depth.AUTO:
            raise RecipeError(f"--budget is for --depth auto, not for {self.depth}. Leave one of them out.")
        if self.unknown_at is not None and not 0 < self.unknown_at < 1:
            raise RecipeError(f"--unknown-at is {self.unknown_at:g}; allowed is a share between 0 and 1, such as 0.95.")
        if self.tune < 0:
            raise RecipeError(f"--tune is {self.tune}; allowed are whole numbers from 0, such as 30.")

    @classmethod
    def from_toml(cls, path: Path) -> Recipe:
        """Read a recipe from a TOML file; `finetune.toml` says what stands in it.

        Raises:
            RecipeError: it is none.
        """
        from finetune import recipe_toml

        return recipe_toml.recipe_from_values(recipe_toml.read_recipe_toml(path), str(path))

    def to_toml(self) -> str:
        """Return the recipe as TOML, without what is as by default."""
        from finetune import recipe_toml

        return recipe_toml.recipe_to_toml(self)


def derive_model_name(data: str | Dataset) -> str:
    """Return a model name made from the last part of `data`: "My Photos/" -> "my-photos".

    Raises:
        RecipeError: nothing of it may stand in a name.
    """
    source = data if isinstance(data, str) else data.source
    last = source.removeprefix("sample:") if source.startswith("sample:") else Path(source).resolve().name
    endings = "|".join(map(re.escape, sorted((*TABLE_EXTENSIONS, *ARCHIVE_EXTENSIONS), key=len, reverse=True)))
    stem = re.sub(rf"\.({endings})$", "", last, flags=re.IGNORECASE)
    plain = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"[^a-z0-9._]+", "-", plain).strip("-._")[:64]
    if not name:
        raise RecipeError(f"no model name can be made from {last!r}; choose one with --name.")
    return name
