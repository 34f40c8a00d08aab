"""Whether a data set can be learnt from, as far as its labels can tell."""

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

MIN_SAMPLES: Final = 3  # samples of a class: one to train on, one to choose by, one to measure with


def check_trainable(dataset: Dataset) -> None:
    """Check that the task can be learnt from `dataset`.

    Raises:
        DatasetError: it is empty; has one class or number, a class with too few samples, or twin names; or its
            labels are no numbers where the task wants them.
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
            f"{dataset.source} has no row that can be used. {first.ref}: {first.reason} "
            "Complete the rows, or name other columns with --text and --label."
        )
    if dataset.kind is DataKind.TEXT:
        return DatasetError(f"{dataset.source} holds no texts. It needs a row, or a .txt file, for each of them.")
    return DatasetError(
        f"{dataset.source} holds no pictures. Put JPEG, PNG, WebP, BMP or GIF files into class folders."
    )


def _check_classes(dataset: Dataset) -> None:
    where, labels = dataset.source, dataset.labels
    check_class_names(where, labels)
    if len(labels) == 1:
        only = labels[0]
        raise DatasetError(
            f"{where} has one class only, {only!r}, but a classifier needs two or more. Add samples of another class; "
            f"or, where the classes are folders inside of {only!r}, give that folder. "
            "Without labels, --task embed still publishes a model."
        )
    check_class_counts(where, dataset.samples, dataset.kind.plural)


def check_class_counts(where: str, samples: Iterable[LabeledSample], noun: str = "pictures") -> None:
    """Check that every class has enough samples for its split.

    Data with a split of its own need one sample of each class to train on; others three.

    Raises:
        DatasetError: a class has fewer; the message names every such class.
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
            f"{'' if split else ' (one to train on, one to choose by, one to measure with)'}. "
            f"Add {noun.removeprefix('usable ')}, or remove the class."
        )


def check_numeric_labels(where: str, samples: Iterable[LabeledSample]) -> None:
    """Check that the labels are numbers, different ones, and enough of them to be split.

    Raises:
        DatasetError: they are not.
    """
    labels = [sample.label for sample in samples]
    if not_numbers := [label for label in labels if parse_number(label) is None]:
        raise DatasetError(
            f"{where}: {not_numbers[0]!r} is no number, and {len(not_numbers) - 1:,} more labels are none, but --task regress "
            "learns numbers. Write them like 3.5, choose another --label, or take --task classify."
        )
    if len(labels) < MIN_SAMPLES:
        raise DatasetError(
            f"{where} has {len(labels)} samples; there must be at least {MIN_SAMPLES} "
            "(one to train on, one to choose by, one to measure with)."
        )
    if len({parse_number(label) for label in labels}) == 1:
        raise DatasetError(
            f"{where}: every label is {labels[0]}, so there is nothing to learn. Choose another --label."
        )


def check_class_names(where: str, labels: Iterable[str]) -> None:
    """Check that no two class names look the same.

    Raises:
        DatasetError: two differ only in case or in Unicode's normal form, or one is no text.
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
                f"{where}: the classes {shown} differ only in case or in the form of their letters. "
                "If they are one class, give them one name; if not, rename one of them."
            )


def check_unknown_allowed(dataset: Dataset) -> None:
    """Pass if a model of `dataset` can be made to answer "unknown".

    Raises:
        RecipeError: it cannot.
    """
    if dataset.task is not Task.CLASSIFY:
        raise RecipeError(
            f"--unknown-at is for --task {Task.CLASSIFY}, and {dataset.source} is learnt with the task {dataset.task}. "
            f"Leave it out, or take --task {Task.CLASSIFY}."
        )
    conflicting = [
        label for label in dataset.labels if unicodedata.normalize("NFKC", label).casefold() == UNKNOWN_LABEL
    ]
    if conflicting:
        raise RecipeError(
            f"{dataset.source} has a class called {conflicting[0]!r}, and that is what a model made with --unknown-at "
            "answers to samples of no class. Rename the class, or leave --unknown-at out."
        )
