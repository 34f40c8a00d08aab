"""Datasets: labelled samples, the options to read them, and the limit on a sample's size. Nothing is decoded here."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final, Literal

from finetune.data.task import Task
from finetune.option_fields import option
from graft.errors import BrokenImage

MAX_BYTES_PER_SAMPLE: Final = 256 << 20
UNSUPPORTED_ARCHIVES: Final = ("7z", "gz", "rar", "zst")  # recognised as archives, but not supported
ARCHIVE_EXTENSIONS: Final = ("zip", "tar", "tar.gz", "tgz", "tar.bz2", "tbz", "tbz2", "tar.xz", "txz")


class SplitPart(StrEnum):
    """The part of the split that a sample belongs to."""

    TRAIN = "train"
    VAL = "val"
    TEST = "test"


class DataKind(StrEnum):
    """The kind of the samples."""

    IMAGE = "image"
    TEXT = "text"

    @property
    def plural(self) -> str:
        """The plural noun for messages."""
        return {DataKind.IMAGE: "images", DataKind.TEXT: "texts"}[self]


PART_BY_NAME: Final = {
    "train": SplitPart.TRAIN,
    "training": SplitPart.TRAIN,
    "val": SplitPart.VAL,
    "valid": SplitPart.VAL,
    "validation": SplitPart.VAL,
    "dev": SplitPart.VAL,
    "test": SplitPart.TEST,
    "testing": SplitPart.TEST,
}


@dataclass(frozen=True, slots=True)
class LabeledSample:
    """One sample with its label; its bytes are read when needed."""

    ref: str  # its name in messages: a path relative to the data, "digits/17" or "line 17"
    label: str  # as in the data; a list as JSON; "" where the task needs no label
    part: SplitPart | None  # None: the data have no split of their own
    source: Path | bytes
    # An object that must live as long as the file is needed, such as the scratch folder of an archive.
    keep_alive: object = field(default=None, compare=False, repr=False)

    def size(self) -> int:
        """Return the number of bytes that `read` returns."""
        return len(self.source) if isinstance(self.source, bytes) else self.source.stat().st_size

    def read(self) -> bytes:
        """Return the bytes of the sample.

        Raises:
            BrokenImage: not a regular file, or larger than MAX_BYTES_PER_SAMPLE.
            OSError: the file cannot be read.
        """
        if isinstance(self.source, bytes):
            return self.source
        if self.source.exists() and not self.source.is_file():
            raise BrokenImage("not a regular file.")
        if (size := self.size()) > MAX_BYTES_PER_SAMPLE:
            raise BrokenImage(
                f"{size:,} bytes are too many for one sample; at most {MAX_BYTES_PER_SAMPLE:,} are allowed."
            )
        return self.source.read_bytes()


@dataclass(frozen=True, slots=True)
class SkippedSample:
    """An unusable sample, and the reason."""

    ref: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DataOptions:
    """How to read the data; what is left empty is found by column names and content."""

    task: Task | None = field(default=None, metadata=option("Data", "", default_text="as labels suggest"))
    text: tuple[str, ...] = field(  # one column, or the two of a pair
        default=(),
        metadata=option("Data", "Column of the text; both for pairs.", metavar="COL", flags=("--text", "--text-b")),
    )
    label: str = field(default="", metadata=option("Data", "Column of the label.", metavar="COL"))
    split_column: str = field(
        default="", metadata=option("Data", "Column that says train, val or test.", metavar="COL")
    )
    sheet: str = field(default="", metadata=option("Data", "Sheet of an Excel workbook.", metavar="NAME"))

    @property
    def names_columns(self) -> bool:
        """Whether columns or a sheet are named, which only tables have."""
        return any((*self.text, self.label, self.split_column, self.sheet))


@dataclass(frozen=True, slots=True)
class Dataset:
    """Samples of one kind, and the task to train on them."""

    source: str  # the path or name that the user passed
    samples: tuple[LabeledSample, ...]
    notes: tuple[str, ...] = ()  # log lines about how the data were read
    kind: DataKind = DataKind.IMAGE
    texts_per_sample: Literal[1, 2] = 1  # 2: a sample is a pair of texts
    skipped_samples: tuple[SkippedSample, ...] = ()  # rows that are unusable already, such as those without a label
    task: Task = Task.CLASSIFY
    target_name: str = "value"  # name of the number in a regression

    @property
    def labels(self) -> tuple[str, ...]:
        """The distinct labels as in the data, sorted."""
        return tuple(sorted({sample.label for sample in self.samples}))
