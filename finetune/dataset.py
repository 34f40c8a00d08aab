"""Labelled samples and where they come from. Nothing is decoded here, and no file is opened but a table."""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from zoo.errors import BrokenImage, DatasetError

MAX_BYTES: Final = 256 << 20  # of one sample
AT_LEAST: Final = 3  # samples of a class: one to train on, one to choose by, one to measure with


class Part(StrEnum):
    """What a sample is used for."""

    TRAIN = "train"
    VAL = "val"
    TEST = "test"


PART_NAMES: Final = {
    "train": Part.TRAIN,
    "training": Part.TRAIN,
    "val": Part.VAL,
    "valid": Part.VAL,
    "validation": Part.VAL,
    "dev": Part.VAL,
    "test": Part.TEST,
    "testing": Part.TEST,
}


@dataclass(frozen=True, slots=True)
class Sample:
    """One labelled sample; its bytes are read when they are needed."""

    ref: str  # what the user calls it: a path relative to the data, or "digits/17"
    label: str
    part: Part | None  # the data's own split; None where it has none
    source: Path | bytes

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
        if (size := self.size()) > MAX_BYTES:
            raise BrokenImage(f"{size:,} bytes are too many for one picture; allowed are {MAX_BYTES:,}.")
        return self.source.read_bytes()


@dataclass(frozen=True, slots=True)
class Dataset:
    """Labelled samples, in the order of their refs."""

    source: str  # as the user gave it
    samples: tuple[Sample, ...]
    notes: tuple[str, ...] = ()  # what the user should hear about how the data were read

    @property
    def labels(self) -> tuple[str, ...]:
        """Return the classes, sorted."""
        return tuple(sorted({sample.label for sample in self.samples}))


def load(data: str) -> Dataset:
    """Find the samples of `data`: a folder of class folders, a CSV file, or `sample:NAME`.

    Raises:
        DatasetError: they cannot be used to train a classifier.
        MissingExtra: the sample's package is not installed.
    """
    from finetune import folder, samples, table

    path = Path(data)
    if data.startswith("sample:"):
        found = samples.load(data)
    elif path.is_dir():
        found = folder.load(path)
    elif path.is_file():
        found = table.load(path)
    else:
        raise DatasetError(
            f"there is no folder or file {data!r}. Allowed are a folder of class folders, a CSV file with a path "
            f"and a label column, and {' and '.join(samples.SAMPLES)}."
        )
    check(found)
    return found


def check(dataset: Dataset) -> None:
    """Check that a classifier can be trained on `dataset`, as far as labels can tell.

    Raises:
        DatasetError: it is empty, has one class, a class with too few samples, or twin names.
    """
    where = dataset.source
    if not dataset.samples:
        raise DatasetError(f"{where} holds no pictures. Put JPEG, PNG, WebP, BMP or GIF files into class folders.")
    check_names(where, dataset.labels)
    if len(dataset.labels) == 1:
        only = dataset.labels[0]
        raise DatasetError(
            f"{where} has one class only, {only!r}, but a classifier needs two or more. Add a folder for each class; "
            f"or, where the classes are folders inside of {only!r}, give that folder."
        )
    check_counts(where, dataset.samples)


def check_counts(where: str, samples: Iterable[Sample], of: str = "pictures") -> None:
    """Check that every class has enough samples for its split.

    Data with a split of its own need one sample of each class to train on; others three.

    Raises:
        DatasetError: a class has fewer; the message names every such class.
    """
    counts: Counter[str] = Counter()
    split = False
    for sample in samples:
        counts[sample.label] += sample.part in (None, Part.TRAIN)
        split |= sample.part is not None
    need = 1 if split else AT_LEAST
    short = [f"{label!r} has {count}" for label, count in sorted(counts.items()) if count < need]
    if short:
        what = f"{of} to train on" if split else f"different {of}"
        raise DatasetError(
            f"{where}: class {', '.join(short)}; every class needs at least {need} {what}"
            f"{'' if split else ' (one to train on, one to choose by, one to measure with)'}. "
            "Add pictures, or remove the class."
        )


def check_names(where: str, labels: Iterable[str]) -> None:
    """Check that no two class names look the same.

    Raises:
        DatasetError: two differ only in case or in Unicode's normal form, or one is no text.
    """
    twins: defaultdict[str, list[str]] = defaultdict(list)
    for label in labels:
        try:
            label.encode()
        except UnicodeEncodeError:
            raise DatasetError(f"{where}: the class name {label!r} is not UTF-8. Rename it.") from None
        twins[unicodedata.normalize("NFKC", label).casefold()].append(label)
    for names in twins.values():
        if len(names) > 1:
            shown = " and ".join(f"{name!r} ({name!a})" if not name.isascii() else repr(name) for name in names)
            raise DatasetError(
                f"{where}: the classes {shown} differ only in case or in the form of their letters. "
                "If they are one class, give them one name; if not, rename one of them."
            )
