"""Samples, what is known of them, and where they come from. No picture is decoded and no text tokenised here."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final, Literal

from finetune.data.task import Task
from finetune.option_fields import option
from graft.errors import BrokenImage

MAX_BYTES_PER_SAMPLE: Final = 256 << 20  # of one sample
UNSUPPORTED_ARCHIVES: Final = ("7z", "gz", "rar", "zst")  # known to be archives, and not read
ARCHIVE_EXTENSIONS: Final = ("zip", "tar", "tar.gz", "tgz", "tar.bz2", "tbz", "tbz2", "tar.xz", "txz")


class SplitPart(StrEnum):
    """What a sample is used for."""

    TRAIN = "train"
    VAL = "val"
    TEST = "test"


class DataKind(StrEnum):
    """What the samples are."""

    IMAGE = "image"
    TEXT = "text"

    @property
    def plural(self) -> str:
        """What several of them are called."""
        return {DataKind.IMAGE: "pictures", DataKind.TEXT: "texts"}[self]


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
    """One sample with its label; its bytes are read when they are needed."""

    ref: str  # what the user calls it: a path relative to the data, "digits/17" or "line 17"
    label: str  # as the data have it; a list as JSON; "" where no label is asked for
    part: SplitPart | None  # the data's own split; None where it has none
    source: Path | bytes
    keep_alive: object = field(
        default=None, compare=False, repr=False
    )  # whatever must live as long as the file is needed

    def size(self) -> int:
        """Return how many bytes `read` will give."""
        return len(self.source) if isinstance(self.source, bytes) else self.source.stat().st_size

    def read(self) -> bytes:
        """Return the bytes of the file.

        Raises:
            BrokenImage: it is no regular file, or larger than MAX_BYTES.
            OSError: it cannot be read.
        """
        if isinstance(self.source, bytes):
            return self.source
        if self.source.exists() and not self.source.is_file():
            raise BrokenImage("no regular file.")
        if (size := self.size()) > MAX_BYTES_PER_SAMPLE:
            raise BrokenImage(f"{size:,} bytes are too many for one sample; allowed are {MAX_BYTES_PER_SAMPLE:,}.")
        return self.source.read_bytes()


@dataclass(frozen=True, slots=True)
class SkippedSample:
    """A sample that cannot be used, and why."""

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
    """Samples of one kind and what is to be learnt of them."""

    source: str  # as the user gave it
    samples: tuple[LabeledSample, ...]
    notes: tuple[str, ...] = ()  # what the user should hear about how the data were read
    kind: DataKind = DataKind.IMAGE
    texts_per_sample: Literal[1, 2] = 1  # 2: a sample is a pair of texts
    skipped_samples: tuple[SkippedSample, ...] = ()  # rows that are known to be unusable before anything is run
    task: Task = Task.CLASSIFY
    target_name: str = "value"  # what the number of a regression is called

    @property
    def labels(self) -> tuple[str, ...]:
        """Return the distinct labels, as the data have them, sorted."""
        return tuple(sorted({sample.label for sample in self.samples}))
