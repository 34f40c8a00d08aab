"""The recipe of a fine-tuning run: every option with its help text, default and range, and training hyper-parameters.

Each option is declared here (and in `finetune.data.dataset.DataOptions`) once: the command line and the keys of a
recipe file follow from the fields. A recipe is checked as far as possible without looking at the data.
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
from graft.errors import RecipeError
from zoo.catalog.backbone import DEFAULT_IMAGE_BACKBONE, DEFAULT_TEXT_BACKBONE, Precision

TABLE_EXTENSIONS: Final = ("csv", "tsv", "tab", "txt", "jsonl", "ndjson", "json", "parquet", "pq", "xlsx", "xlsm")
_BY_DEPTH: Final = "by depth"


class Depth(StrEnum):
    """How much of the network is trained."""

    PROBE = "probe"  # only the head (linear probe)
    TOP = "top"  # the last blocks too
    FULL = "full"  # everything
    LORA = "lora"  # low-rank updates of attention, for text
    AUTO = "auto"  # deeper while validation improves and the budget lasts


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOptions:
    """Hyper-parameters of training deeper than the head; those that are None are chosen by depth and data.

    Raises:
        RecipeError: a number is out of its range.
    """

    epochs: int | None = field(
        default=None,
        metadata=option("Training", "Maximum number of epochs.", default_text=_BY_DEPTH, allowed=Range(1, 10_000)),
    )
    batch: int | None = field(
        default=None,
        metadata=option(
            "Training",
            "Batch size; halved if memory runs out.",
            default_text=_BY_DEPTH,
            allowed=Range(1, 4096),
        ),
    )
    rate: float | None = field(  # scaled linearly for other batch sizes
        default=None,
        metadata=option(
            "Training", "Peak learning rate for a batch size of 32.", default_text=_BY_DEPTH, allowed=Range(1e-7, 10)
        ),
    )
    layer_decay: float | None = field(
        default=None,
        metadata=option(
            "Training",
            "Factor of the learning rate from a block to the one below.",
            default_text=_BY_DEPTH,
            allowed=Range(0.1, 1),
        ),
    )
    weight_decay: float | None = field(
        default=None, metadata=option("Training", "Weight decay.", default_text=_BY_DEPTH, allowed=Range(0, 1))
    )
    smoothing: float | None = field(
        default=None,
        metadata=option("Training", "Label smoothing factor.", default_text=_BY_DEPTH, allowed=Range(0, 0.5)),
    )
    augment: bool = field(
        default=True, metadata=option("Training", "Train without data augmentation (RandAugment, MixUp, CutMix).")
    )
    size: int | None = field(  # None: smaller than the backbone's own where the pictures are small
        default=None,
        metadata=option(
            "Training", "Image size in pixels, for --depth full.", default_text="by the data", allowed=Range(32, 1024)
        ),
    )
    cut: str = field(
        default="",
        metadata=option(
            "Training",
            "Layer whose output is cached, for --depth top.",
            default_text="before two blocks",
            metavar="LAYER",
        ),
    )
    views: int | None = field(
        default=None,
        metadata=option(
            "Training",
            "Cached augmented views of each sample, for --depth top.",
            default_text="by the data",
            allowed=Range(1, 64),
        ),
    )
    rank: int = field(default=8, metadata=option("Training", "LoRA rank.", allowed=Range(1, 256)))
    patience: int = field(
        default=3,
        metadata=option(
            "Training", "Early stopping: epochs without a better validation loss.", allowed=Range(1, 10_000)
        ),
    )

    def __post_init__(self) -> None:
        check_ranges(self)

    def changed_options(self) -> tuple[str, ...]:
        """Return the flags of the options that differ from their defaults.

        >>> TrainingOptions(epochs=3, augment=False).changed_options()
        ('--epochs', '--no-augment')
        """
        options = option_fields(TrainingOptions).values()
        return tuple(one.flag for one in options if getattr(self, one.name) != one.default)

    def with_defaults(self, defaults: Mapping[str, Any]) -> TrainingOptions:
        """Return a copy in which options that are None have the values of `defaults`."""
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
            "Share of the samples for validation.",
            allowed=Range(0, 1, exclusive=True, text="a share between 0 and 1, such as 0.2"),
        ),
    )
    test: float = field(
        default=0.2,
        metadata=option(
            "Data",
            "Share of the samples for the test part.",
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
            "Random seed of the split and of deeper training.",
            allowed=Range(0, 2**32 - 1, text="whole numbers from 0 to 4294967295"),
        ),
    )
    name: str = field(
        default="", metadata=option("Model", "Name of the model.", default_text="after the data", metavar="NAME")
    )
    models: Path = field(
        default=Path("models"), metadata=option("Model", "Model repository to publish in.", metavar="FOLDER")
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
        default=None, metadata=option("Model", "Trunk precision: fp32 or int8.", default_text="the backbone's own")
    )
    own_samples: bool = field(
        default=True,
        metadata=option("Model", "Keep your samples out of the bundle and its report.", flags=("--no-samples",)),
    )
    unknown_at: float | None = field(  # None: the model never answers "unknown"
        default=None,
        metadata=option(
            "Model",
            'Answer "unknown" for inputs unlike the training data; X is the share of your samples that stays known.',
            allowed=Range(0, 1, exclusive=True, text="a share between 0 and 1, such as 0.95"),
        ),
    )
    tune: int = field(
        default=0,
        metadata=option(
            "Model",
            "Tune the head's hyper-parameters in N trials on the validation part; kept if better.",
            allowed=Range(0, text="whole numbers from 0, such as 30"),
        ),
    )
    depth: Depth = field(
        default=Depth.PROBE,
        metadata=option(
            "Training",
            (
                "How much is trained: the head; the last blocks too; everything; low-rank updates (texts); "
                "or deeper while it helps."
            ),
        ),
    )
    budget: float | None = field(  # seconds for the whole run
        default=None,
        metadata=option(
            "Training",
            "Time limit of --depth auto: 90s, 10m, 1h30m, or seconds.",
            default_text="10m",
            metavar="TIME",
            allowed=Range(0, exclusive=True, text="more than 0 seconds, such as 10m"),
            is_duration=True,
        ),
    )
    training: TrainingOptions = field(default_factory=TrainingOptions)
    resume: bool = field(default=False, metadata=option("Training", "Resume the same run from its last checkpoint."))
    tensorboard: Path | None = field(
        default=None, metadata=option("Training", "Write TensorBoard logs to this folder.", metavar="FOLDER")
    )

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.val + self.test >= 1:
            raise RecipeError(
                f"--val {self.val:g} and --test {self.test:g} leave nothing to train on; "
                "their sum must be below 1. The default is 0.2 each."
            )
        if len(self.data_options.text) > 2 or len(set(self.data_options.text)) < len(self.data_options.text):
            raise RecipeError("--text can be set once for texts, or twice, with different columns, for pairs of texts.")
        if self.budget is not None and self.depth is not Depth.AUTO:
            raise RecipeError(f"--budget is for --depth auto, not for {self.depth}. Leave one of them out.")
        from graft.bundle.repository import validate_model_name  # keeps hashlib and tempfile out of `finetune --help`

        object.__setattr__(self, "name", validate_model_name(self.name or derive_model_name(self.data)))


def derive_model_name(data: str | Dataset) -> str:
    """Return a model name made from the last part of `data`.

    >>> derive_model_name("data/My Photos/")
    'my-photos'

    Raises:
        RecipeError: it has no character that a model name may have.
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
