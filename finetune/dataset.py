"""Samples, what is known of them, and where they come from. No picture is decoded and no text tokenised here."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final, Literal

from finetune.tasks import Task
from zoo.errors import BrokenImage, DatasetError
from zoo.progress import Progress, SilentProgress

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
    """What the user says of the data; whatever is left empty is found by name and content."""

    text: tuple[str, ...] = ()  # the column of the text, or the two of a pair
    label: str = ""  # its column
    split_column: str = ""
    sheet: str = ""  # of a workbook
    task: Task | None = None


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


def load_dataset(data: str | Dataset, options: DataOptions | None = None, progress: Progress | None = None) -> Dataset:
    """Find the samples of `data`: a folder of class folders, a table, an archive of these, or `sample:NAME`.

    Raises:
        DatasetError: they cannot be used for the task.
        MissingExtra: a package that is needed to read them is not installed.
        WeightsError: a sample data set could not be fetched.
    """
    from finetune.check import check_trainable

    dataset = read_dataset(data, options, progress)
    check_trainable(dataset)
    return dataset


def read_dataset(data: str | Dataset, options: DataOptions | None = None, progress: Progress | None = None) -> Dataset:
    """Find the samples of `data` as `load` does; whether a model can be learnt of them alone is not asked.

    Raises:
        DatasetError: there are none, or they cannot be read.
        MissingExtra, WeightsError: as `load`.
    """
    from finetune import archive, folder, samples, table

    options = options or DataOptions()
    if isinstance(data, Dataset):
        if options not in (DataOptions(), DataOptions(task=data.task)):
            raise DatasetError(f"{data.source} is a data set already. Say dataset_of(…, wanted=…) where it is made.")
        return data
    path = Path(data)
    if data.startswith("sample:"):
        return samples.load_builtin_dataset(data, options, progress or SilentProgress())
    if path.is_dir():
        return folder.load_folder(path, options)
    if path.is_file() and archive.is_archive(path):
        return archive.load_archive(path, options, progress or SilentProgress())
    if path.is_file():
        return table.load_table(path, options)
    raise DatasetError(
        f"there is no folder or file {data!r}. Allowed are a folder of class folders, a table (CSV, TSV, JSON "
        f"Lines, Parquet, Excel or Orange's .tab), a zip or tar of these, {', '.join(samples.BUILTIN_DATASETS[:-1])} and "
        f"{samples.BUILTIN_DATASETS[-1]}."
    )
