"""Data that are in Python already: arrays, lists of texts, a pandas frame, a tf.data.Dataset; neither is imported.

Pictures become PNG bytes and texts UTF-8, as if they had been read from files: the same bytes get the same features
from the cache, and the finished model is served the same way. Everything is held in memory.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from finetune.check import check
from finetune.dataset import PART_NAMES, Bad, Dataset, Kind, Sample, Wanted
from finetune.items import ALLOWED, label_of, sample_of
from finetune.table.load import of_sheet
from finetune.tasks import Task, guess
from zoo.errors import DatasetError
from zoo.table.sheet import sheet_of

ONE_EACH: Final = (
    "Give one label for each sample: of one-hot rows y.argmax(-1), or tf.argmax(y, -1) in a map; of tags lists of "
    "words."
)
Labelled = Iterator[tuple[Any, Any]]  # a sample with its label, which is None where there are no labels


def dataset_of(
    source: object,
    *,
    name: str = "arrays",
    classes: Sequence[str] = (),
    wanted: Wanted | None = None,
    folder: Path | str = "",
) -> Dataset:
    """Return a data set, for `Recipe(data=…)`, of what is in memory.

    `source` is one of:

    - `(x, y)`, or `x` alone to embed. `x`: uint8 [n,h,w,3] (RGB), [n,h,w] or [n,h,w,1] (grey); a list of such
      pictures, whatever their sizes; of texts, of pairs of texts, or of `bytes` of files. `y` [n]: whole numbers or
      words for classes, lists of words for tags, other numbers for a number to learn;
    - a pandas DataFrame, its columns found as those of a table file are (`wanted` may name them); paths to pictures
      in it are relative to `folder`;
    - a `tf.data.Dataset` of (picture or text, label), batched or not, which is read once;
    - a mapping of "train", "val" and "test" to such: the data's own split.

    `classes` are the names of the classes 0, 1, …, where labels are such numbers. `name` stands in messages, and
    names the model unless the recipe does.

    Raises:
        DatasetError: it is none of these (float pictures, for one), or nothing can be learnt of it.
    """
    made = _of(source, name, tuple(classes), wanted or Wanted(), Path(folder))
    check(made)
    return made


def _of(source: object, name: str, classes: tuple[str, ...], wanted: Wanted, folder: Path) -> Dataset:
    if isinstance(source, Mapping):
        parts = {key: _of(part, f"{name}[{key!r}]", classes, wanted, folder) for key, part in source.items()}
        return _joined(parts, name)
    if hasattr(source, "columns") and hasattr(source, "isna"):
        return of_sheet(name, sheet_of(_records(source, name)), wanted, folder)
    if any((*wanted.text, wanted.label, wanted.split_column, wanted.sheet)):
        raise DatasetError(f"{name} has no columns: text, label, split_column and sheet are for tables and frames.")
    return _collected(
        _streamed(source, name) if hasattr(source, "as_numpy_iterator") else _pairs(source, name), name, classes, wanted
    )


def _joined(parts: dict[Any, Dataset], name: str) -> Dataset:
    """Return the parts of a split as one data set."""
    if not parts or (strange := [key for key in parts if key not in PART_NAMES]):
        raise DatasetError(f"{name}: {strange[0]!r} is no part of a split. {ALLOWED}" if parts else f"{name} is empty.")
    first = next(iter(parts.values()))
    for key, one in parts.items():
        if (one.kind, one.task, one.texts) != (first.kind, first.task, first.texts):
            raise DatasetError(
                f"{name}: {key!r} holds {one.kind.plural} to {one.task}, other parts {first.kind.plural} to "
                f"{first.task}. Give them alike, or say which task with wanted=Wanted(task=…)."
            )
    samples = [
        dataclasses.replace(sample, ref=f"{key}/{sample.ref}", part=PART_NAMES[key])
        for key, one in parts.items()
        for sample in one.samples
    ]
    bad = [dataclasses.replace(row, ref=f"{key}/{row.ref}") for key, one in parts.items() for row in one.bad]
    return dataclasses.replace(first, source=name, samples=tuple(samples), bad=tuple(bad))


def _records(frame: Any, name: str) -> Iterator[tuple[str, dict[str, object]]]:  # noqa: ANN401
    """Yield the rows of a pandas frame; what is missing in it as None."""
    names = [str(column) for column in frame.columns]
    if twins := sorted({one for one in names if names.count(one) > 1}):
        raise DatasetError(f"{name} has several columns {twins[0]!r}. Rename all but one of them.")
    gone = frame.isna()
    columns = [
        [None if missing else value for value, missing in zip(frame[at].tolist(), gone[at].tolist(), strict=True)]
        for at in frame.columns
    ]
    for number, row in enumerate(zip(*columns, strict=True), 1):
        yield f"row {number}", dict(zip(names, row, strict=True))


def _pairs(source: object, name: str) -> Labelled:
    """Yield the samples of `(x, y)`, or of `x`, with their labels."""
    x: Any
    y: Any
    x, y = source if isinstance(source, tuple) and len(source) == 2 else (source, None)
    if isinstance(x, str | bytes) or not hasattr(x, "__len__") or (isinstance(x, np.ndarray) and x.ndim in (0, 2)):
        raise DatasetError(f"{name}: {type(x).__name__} is no list of samples. {ALLOWED}")
    if y is None:
        yield from ((one, None) for one in x)
        return
    labels = np.asarray(y) if hasattr(y, "dtype") else y
    if getattr(labels, "ndim", 1) != 1:
        raise DatasetError(f"{name}: the labels are an array {list(labels.shape)}. {ONE_EACH}")
    if len(x) != len(labels):
        raise DatasetError(
            f"{name}: there are {len(x):,} samples, but {len(labels):,} labels. Give one label for each."
        )
    yield from zip(x, labels, strict=True)


def _streamed(source: Any, name: str) -> Labelled:  # noqa: ANN401
    """Yield what a tf.data.Dataset does, batches sample by sample."""
    if int(source.cardinality()) == -1:
        raise DatasetError(f"{name} repeats for ever. Leave .repeat() out, or end it with .take(n).")
    if not isinstance(source.element_spec, tuple) or len(source.element_spec) != 2:
        raise DatasetError(f"{name} does not yield pairs of sample and label. {ALLOWED}")
    for x, y in source.as_numpy_iterator():
        # A picture [h,w,c] has its colours last; three axes otherwise are a batch of grey ones.
        batch = np.ndim(x) in (1, 4) or (np.ndim(x) == 3 and x.shape[-1] not in (1, 3))
        if np.ndim(y) != int(batch):
            raise DatasetError(f"{name}: a label is an array {list(np.shape(y))}. {ONE_EACH}")
        yield from zip(x, y, strict=True) if batch else [(x, y)]


def _collected(pairs: Labelled, name: str, classes: tuple[str, ...], wanted: Wanted) -> Dataset:
    samples: list[Sample] = []
    bad: list[Bad] = []
    forms: set[tuple[Kind, int]] = set()
    plain, labelled = True, False
    for number, (one, value) in enumerate(pairs):
        labelled |= value is not None
        plain &= value is None or isinstance(value, str | bytes | int | np.integer | np.bool_)
        label = label_of(value, classes, f"{name}, sample {number}")
        kind, texts, data = sample_of(one, f"{name}, sample {number}")
        forms.add((kind, texts))
        if label or wanted.task is Task.EMBED:
            samples.append(Sample(f"{number:06}", label, None, data))
        else:
            bad.append(Bad(f"{number:06}", "the label is missing."))
    if len(forms) > 1:
        raise DatasetError(f"{name} mixes pictures, texts and pairs of texts. A model takes one of these.")
    if forms and not labelled and wanted.task is not Task.EMBED:
        raise DatasetError(f"{name} has no labels. Give (x, y); or, to embed, wanted=Wanted(task=Task.EMBED).")
    kind, texts = forms.pop() if forms else (Kind.IMAGE, 1)
    # Words and whole numbers are classes: who has numbers to learn has them as floats, or says so.
    task, note = wanted.task or Task.CLASSIFY, ""
    if wanted.task is None and not plain:
        task, note = guess("y", [sample.label for sample in samples])
    return Dataset(name, tuple(samples), (note,) if note else (), kind, 2 if texts == 2 else 1, tuple(bad), task)
