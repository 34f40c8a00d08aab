"""What the user asked for: one frozen value, checked as far as it can be without looking at anything.

How deep the pipeline goes, and how it trains there: what the user may say of it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from finetune.data.dataset import ARCHIVE_EXTENSIONS, DataOptions, Dataset
from finetune.option_fields import Range, check_ranges, option, option_fields
from graft.bundle.repository import validate_model_name
from graft.errors import RecipeError
from zoo.catalog.backbone import DEFAULT_IMAGE_BACKBONE, DEFAULT_TEXT_BACKBONE, Precision

TABLE_EXTENSIONS: Final = ("csv", "tsv", "tab", "txt", "jsonl", "ndjson", "json", "parquet", "pq", "xlsx", "xlsm")
_BY_DEPTH: Final = "by depth"


class Depth(StrEnum):
    """How much of the network learns."""

    PROBE = "probe"  # the head only
    TOP = "top"  # the last blocks too
    FULL = "full"  # everything
    LORA = "lora"  # low-rank updates of attention, for text
    AUTO = "auto"  # deeper while it helps and time is left


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOptions:
    """Hyper-parameters of training deeper than the head; those that are None are chosen by depth and data.

    Raises:
        RecipeError: a number is out of its range.
    """

    epochs: int | None = field(
        default=None, metadata=option("Training", "At most so many.", default_text=_BY_DEPTH, allowed=Range(1, 10_000))
    )
    batch: int | None = field(
        default=None,
        metadata=option(
            "Training",
            "Samples of a step; halved where memory runs out.",
            default_text=_BY_DEPTH,
            allowed=Range(1, 4096),
        ),
    )
    rate: float | None = field(  # scaled linearly for other batch sizes
        default=None,
        metadata=option(
            "Training", "Peak of the learning rate for a batch of 32.", default_text=_BY_DEPTH, allowed=Range(1e-7, 10)
        ),
    )
    layer_decay: float | None = field(
        default=None,
        metadata=option(
            "Training",
            "Factor of the rate from a block to the one below.",
            default_text=_BY_DEPTH,
            allowed=Range(0.1, 1),
        ),
    )
    weight_decay: float | None = field(
        default=None, metadata=option("Training", "", default_text=_BY_DEPTH, allowed=Range(0, 1))
    )
    smoothing: float | None = field(
        default=None, metadata=option("Training", "Of labels.", default_text=_BY_DEPTH, allowed=Range(0, 0.5))
    )
    augment: bool = field(
        default=True, metadata=option("Training", "Show pictures as they are, never varied or mixed.")
    )
    size: int | None = field(  # None: smaller than the backbone's own where the pictures are small
        default=None,
        metadata=option(
            "Training", "Of full: side of the pictures in pixels.", default_text="by the data", allowed=Range(32, 1024)
        ),
    )
    cut: str = field(
        default="",
        metadata=option(
            "Training", "Of top: the layer whose output is cached.", default_text="before two blocks", metavar="LAYER"
        ),
    )
    views: int | None = field(
        default=None,
        metadata=option(
            "Training",
            "Of top: varied views of each sample that are cached.",
            default_text="by the data",
            allowed=Range(1, 64),
        ),
    )
    rank: int = field(default=8, metadata=option("Training", "Of lora.", allowed=Range(1, 256)))
    patience: int = field(
        default=3,
        metadata=option(
            "Training", "Epochs without a better validation loss before it stops.", allowed=Range(1, 10_000)
        ),
    )

    def __post_init__(self) -> None:
        check_ranges(self)

    def changed_options(self) -> tuple[str, ...]:
        """Return the options that say something else than by default, as the command line has them."""
        known = option_fields(TrainingOptions).values()
        return tuple(one.flag for one in known if getattr(self, one.name) != one.default)

    def with_defaults(self, defaults: Mapping[str, Any]) -> TrainingOptions:
        """Return it with what is None as `defaults` have it."""
        return replace(self, **{name: value for name, value in defaults.items() if getattr(self, name) is None})


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What to fine-tune on which data, and how. Its fields are the options of the command, in the order of its help.

    Raises:
        RecipeError: a number is out of its range, options contradict each other, or the name is not allowed.
    """

    data: str | Dataset  # a folder, a table, an archive, "sample:digits"; or from finetune.dataset_from_memory
    data_options: DataOptions = field(default_factory=DataOptions)
    val: float = field(
        default=0.2,
        metadata=option(
            "Data",
            "Share of the samples to choose by.",
            allowed=Range(0, 1, exclusive=True, text="a share between 0 and 1, such as 0.2"),
        ),
    )
    test: float = field(
        default=0.2,
        metadata=option(
            "Data",
            "Share of the samples to measure with.",
            allowed=Range(0, 1, exclusive=True, text="a share between 0 and 1, such as 0.2"),
        ),
    )
    max_bad: float = field(
        default=0.05,
        metadata=option(
            "Data",
            "Share of the samples that may be unusable.",
            allowed=Range(0, 1, text="a share from 0 to 1, such as 0.05"),
        ),
    )
    seed: int = field(
        default=0,
        metadata=option(
            "Data",
            "Decides the split, and every draw of a deeper run.",
            allowed=Range(0, 2**32 - 1, text="whole numbers from 0 to 4294967295"),
        ),
    )
    name: str = field(
        default="", metadata=option("Model", "Name of the model.", default_text="after the data", metavar="NAME")
    )
    models: Path = field(
        default=Path("models"), metadata=option("Model", "Folder that the model is published in.", metavar="FOLDER")
    )
    backbone: str = field(
        default="",
        metadata=option(
            "Model",
            "Pretrained network; `zoo list` shows all.",
            default_text=f"{DEFAULT_IMAGE_BACKBONE}, for texts {DEFAULT_TEXT_BACKBONE}",
            metavar="NAME",
        ),
    )
    precision: Precision | None = field(
        default=None, metadata=option("Model", "Of the trunk.", default_text="the backbone's own")
    )
    own_samples: bool = field(
        default=True,
        metadata=option("Model", "Keep your samples out of the bundle and its report.", flags=("--no-samples",)),
    )
    unknown_at: float | None = field(  # None: the model never answers "unknown"
        default=None,
        metadata=option(
            "Model",
            'Answer "unknown" to what is like nothing seen; this share of your samples stays known.',
            allowed=Range(0, 1, exclusive=True, text="a share between 0 and 1, such as 0.95"),
        ),
    )
    tune: int = field(
        default=0,
        metadata=option(
            "Model",
            "Search N recipes of the head on the validation part; kept if better.",
            allowed=Range(0, text="whole numbers from 0, such as 30"),
        ),
    )
    depth: Depth = field(
        default=Depth.PROBE,
        metadata=option(
            "Training",
            (
                "How much learns: the head; the last blocks too; everything; low-rank updates (texts); "
                "or deeper while it helps."
            ),
        ),
    )
    budget: float | None = field(  # seconds for the whole run
        default=None,
        metadata=option(
            "Training",
            "Of --depth auto: 90s, 10m, 1h30m, or seconds.",
            default_text="10m",
            metavar="TIME",
            allowed=Range(0, exclusive=True, text="more than 0 seconds, such as 10m"),
            is_duration=True,
        ),
    )
    training: TrainingOptions = field(default_factory=TrainingOptions)
    resume: bool = field(default=False, metadata=option("Training", "Go on where the same run was stopped."))
    tensorboard: Path | None = field(
        default=None, metadata=option("Training", "Write logs for TensorBoard there.", metavar="FOLDER")
    )

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.val + self.test >= 1:
            raise RecipeError(
                f"--val {self.val:g} and --test {self.test:g} leave nothing to train on; "
                "together they must stay under 1. The default is 0.2 each."
            )
        if len(self.data_options.text) > 2 or len(set(self.data_options.text)) < len(self.data_options.text):
            raise RecipeError("--text is given once for texts, or twice with different columns for pairs of texts.")
        if self.budget is not None and self.depth is not Depth.AUTO:
            raise RecipeError(f"--budget is for --depth auto, not for {self.depth}. Leave one of them out.")
        object.__setattr__(self, "name", validate_model_name(self.name or derive_model_name(self.data)))


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
