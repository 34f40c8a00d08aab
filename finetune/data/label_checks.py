"""Checks of labels before training: enough samples of every class, distinct class names, numbers for a regression."""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Final

from finetune.data.dataset import DataKind, Dataset, LabeledSample, SplitPart
from finetune.data.task import Task
from graft.bundle.manifest import UNKNOWN_LABEL
from graft.errors import DatasetError, RecipeError
from graft.tables.table import parse_number

MIN_SAMPLES: Final = 3  # of a class: one each for the train, validation and test part


def check_trainable(dataset: Dataset) -> None:
    """Check that a model can be trained on `dataset`.

    Raises:
        DatasetError: it is empty; has only one class or number, a class with too few samples, or two class names
            that look the same; or the labels of a regression are not numbers.
    """
    if not dataset.samples:
        raise _empty_error(dataset)
    match dataset.task:
        case Task.CLASSIFY:
            _check_classes(dataset)
        case Task.REGRESS:
            check_numeric_labels(dataset.source, dataset.samples)
        case Task.TAG | Task.EMBED:
            pass


def _empty_error(dataset: Dataset) -> DatasetError:
    if dataset.skipped_samples:
        first = dataset.skipped_samples[0]
        return DatasetError(
            f"{dataset.source} has no usable row. {first.ref}: {first.reason} "
            "Complete the rows, or choose other columns with --text and --label."
        )
    if dataset.kind is DataKind.TEXT:
        return DatasetError(f"{dataset.source} holds no texts. It needs a row, or a .txt file, for each of them.")
    return DatasetError(f"{dataset.source} holds no images. Put JPEG, PNG, WebP, BMP or GIF files into class folders.")


def _check_classes(dataset: Dataset) -> None:
    where, labels = dataset.source, dataset.labels
    check_class_names(where, labels)
    if len(labels) == 1:
        only = labels[0]
        raise DatasetError(
            f"{where} has only one class, {only!r}, but a classifier needs two or more. Add samples of another class; "
            f"or, if the classes are folders inside {only!r}, pass that folder. "
            "--task embed publishes a model without labels."
        )
    check_class_counts(where, dataset.samples, dataset.kind.plural)


def check_class_counts(where: str, samples: Iterable[LabeledSample], noun: str = "images") -> None:
    """Check that every class has enough samples to be split.

    Data with a split of their own need one train sample of each class; other data need MIN_SAMPLES.

    Raises:
        DatasetError: a class has fewer; the message names up to 20 such classes.
    """
    counts: Counter[str] = Counter()
    split = False
    for sample in samples:
        counts[sample.label] += sample.part in (None, SplitPart.TRAIN)
        split |= sample.part is not None
    min_count = 1 if split else MIN_SAMPLES
    too_small = [f"{label!r} has {count}" for label, count in sorted(counts.items()) if count < min_count]
    if too_small:
        what = f"{noun} to train on" if split else f"different {noun}"
        raise DatasetError(
            f"{where}: class {', '.join(too_small[:20])}{', …' if len(too_small) > 20 else ''}; "
            f"every class needs at least {min_count} {what}"
            f"{'' if split else ' (one each for train, validation and test)'}. "
            f"Add {noun.removeprefix('usable ')}, or remove the class."
        )


def check_numeric_labels(where: str, samples: Iterable[LabeledSample]) -> None:
    """Check that the labels of a regression are numbers, not all equal, and enough to be split.

    Raises:
        DatasetError: they are not.
    """
    labels = [sample.label for sample in samples]
    if not_numbers := [label for label in labels if parse_number(label) is None]:
        raise DatasetError(
            f"{where}: --task regress needs numbers, but the label {not_numbers[0]!r} and "
            f"{len(not_numbers) - 1:,} more are not. Write them like 3.5, choose another --label, or use "
            "--task classify."
        )
    if len(labels) < MIN_SAMPLES:
        raise DatasetError(
            f"{where} has {len(labels)} samples; there must be at least {MIN_SAMPLES} "
            "(one each for train, validation and test)."
        )
    if len({parse_number(label) for label in labels}) == 1:
        raise DatasetError(
            f"{where}: every label is {labels[0]}, so there is nothing to predict. Choose another --label."
        )


def check_class_names(where: str, labels: Iterable[str]) -> None:
    """Check that no two class names look the same.

    Raises:
        DatasetError: two names differ only in case or Unicode normal form, or one is not valid Unicode.
    """
    names_by_form: defaultdict[str, list[str]] = defaultdict(list)
    for label in labels:
        try:
            label.encode()
        except UnicodeEncodeError:
            raise DatasetError(f"{where}: the class name {label!r} is not UTF-8. Rename it.") from None
        names_by_form[unicodedata.normalize("NFKC", label).casefold()].append(label)
    for names in names_by_form.values():
        if len(names) > 1:
            shown = " and ".join(f"{name!r} ({name!a})" if not name.isascii() else repr(name) for name in names)
            raise DatasetError(
                f"{where}: the classes {shown} differ only in case or Unicode normal form. "
                "If they are one class, use one name; if not, rename one of them."
            )


def check_unknown_allowed(dataset: Dataset) -> None:
    """Check that a model trained on `dataset` can answer "unknown" (`--unknown-at`).

    Raises:
        RecipeError: it is not a classifier, or a class is called "unknown".
    """
    if dataset.task is not Task.CLASSIFY:
        raise RecipeError(
            f"--unknown-at is for --task {Task.CLASSIFY}, but the task of {dataset.source} is {dataset.task}. "
            f"Leave it out, or use --task {Task.CLASSIFY}."
        )
    conflicting = [
        label for label in dataset.labels if unicodedata.normalize("NFKC", label).casefold() == UNKNOWN_LABEL
    ]
    if conflicting:
        raise RecipeError(
            f"{dataset.source} has a class called {conflicting[0]!r}, which is the answer of a model with --unknown-at "
            "to samples of no class. Rename the class, or leave --unknown-at out."
        )
