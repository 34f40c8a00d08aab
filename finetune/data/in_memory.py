"""Datasets from memory: NumPy arrays, lists of texts, a pandas DataFrame, a tf.data.Dataset (neither is imported).

Images become PNG bytes and texts UTF-8, as if they had been read from files: the same bytes get the same features
from the cache, and the finished model is served in the same way. All samples stay in memory.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from finetune.data.builtin_datasets import encode_png
from finetune.data.dataset import PART_BY_NAME, DataKind, DataOptions, Dataset, LabeledSample, SkippedSample
from finetune.data.label_checks import check_trainable
from finetune.data.table import dataset_from_table
from finetune.data.task import Task, guess_task
from graft.errors import DatasetError, NotText
from graft.inputs.magic_bytes import sniff_format
from graft.inputs.text_bytes import decode_text_sample, encode_text_sample
from graft.tables.table import cell_text, table_from_records

LABEL_HINT: Final = (
    "Pass one label for each sample: for one-hot rows y.argmax(-1), or tf.argmax(y, -1) in a map; for tags lists of "
    "strings."
)
SampleLabelPairs = Iterator[tuple[Any, Any]]  # a sample and its label, None if there are no labels
ALLOWED_SOURCES: Final = (
    "Allowed are (x, y) with x uint8 [n,h,w,3] or [n,h,w], or a list of texts; a pandas DataFrame; a tf.data.Dataset "
    "of (image or text, label); or a dict of these with the keys 'train', 'val' and 'test'."
)


def dataset_from_memory(
    source: object,
    *,
    name: str = "arrays",
    classes: Sequence[str] = (),
    options: DataOptions | None = None,
    folder: Path | str = "",
) -> Dataset:
    """Return a dataset for `Recipe(data=…)` from data in memory.

    Args:
        source: one of

            - `(x, y)`, or `x` alone for the task embed. `x`: uint8 [n,h,w,3] (RGB), [n,h,w] or [n,h,w,1] (grey); a
              list of such images of any sizes; a list of texts, of pairs of texts, or of `bytes` of files. `y` [n]:
              whole numbers or strings for classes, lists of strings for tags, other numbers for a regression;
            - a pandas DataFrame, whose columns are found like those of a table file (`options` may name them);
            - a `tf.data.Dataset` of (image or text, label), batched or not, which is read once;
            - a mapping of "train", "val" and "test" to these: the data's own split.
        name: the dataset's name in messages, and the model's name unless the recipe sets one.
        classes: names of the classes 0, 1, …, if labels are whole numbers.
        options: the task, and the columns of a DataFrame.
        folder: image paths in a DataFrame are relative to it.

    Raises:
        DatasetError: `source` has none of these formats (such as float images), or no model can be trained on it.
    """
    dataset = _read_source(source, name, tuple(classes), options or DataOptions(), Path(folder))
    check_trainable(dataset)
    return dataset


def _read_source(source: object, name: str, classes: tuple[str, ...], options: DataOptions, folder: Path) -> Dataset:
    if isinstance(source, Mapping):
        parts = {key: _read_source(part, f"{name}[{key!r}]", classes, options, folder) for key, part in source.items()}
        return _merge_parts(parts, name)
    if hasattr(source, "columns") and hasattr(source, "isna"):
        return dataset_from_table(name, table_from_records(_iter_frame_rows(source, name)), options, folder)
    if options.names_columns:
        raise DatasetError(f"{name} has no columns: text, label, split_column and sheet are for tables and frames.")
    return _collect_samples(
        _iter_tf_dataset(source, name) if hasattr(source, "as_numpy_iterator") else _iter_pairs(source, name),
        name,
        classes,
        options,
    )


def _merge_parts(parts: dict[Any, Dataset], name: str) -> Dataset:
    """Return the parts of a split as one dataset."""
    if not parts or (unknown_parts := [key for key in parts if key not in PART_BY_NAME]):
        raise DatasetError(
            f"{name}: {unknown_parts[0]!r} is not a part of a split. {ALLOWED_SOURCES}"
            if parts
            else f"{name} is empty."
        )
    first = next(iter(parts.values()))
    for key, one in parts.items():
        if (one.kind, one.task, one.texts_per_sample) != (first.kind, first.task, first.texts_per_sample):
            raise DatasetError(
                f"{name}: {key!r} holds {one.kind.plural} for the task {one.task}, other parts {first.kind.plural} for "
                f"{first.task}. Make them alike, or set the task with options=DataOptions(task=…)."
            )
    samples = [
        dataclasses.replace(sample, ref=f"{key}/{sample.ref}", part=PART_BY_NAME[key])
        for key, one in parts.items()
        for sample in one.samples
    ]
    skipped_samples = [
        dataclasses.replace(row, ref=f"{key}/{row.ref}") for key, one in parts.items() for row in one.skipped_samples
    ]
    return dataclasses.replace(first, source=name, samples=tuple(samples), skipped_samples=tuple(skipped_samples))


def _iter_frame_rows(frame: Any, name: str) -> Iterator[tuple[str, dict[str, object]]]:  # noqa: ANN401
    """Yield the rows of a pandas DataFrame, missing values as None."""
    names = [str(column) for column in frame.columns]
    if duplicates := sorted({one for one in names if names.count(one) > 1}):
        raise DatasetError(f"{name} has several columns {duplicates[0]!r}. Rename all but one of them.")
    is_missing = frame.isna()
    columns = [
        [None if missing else value for value, missing in zip(frame[at].tolist(), is_missing[at].tolist(), strict=True)]
        for at in frame.columns
    ]
    for number, row in enumerate(zip(*columns, strict=True), 1):
        yield f"row {number}", dict(zip(names, row, strict=True))


def _iter_pairs(source: object, name: str) -> SampleLabelPairs:
    """Yield the samples of `(x, y)`, or of `x` alone, with their labels."""
    x: Any
    y: Any
    x, y = source if isinstance(source, tuple) and len(source) == 2 else (source, None)
    if isinstance(x, str | bytes) or not hasattr(x, "__len__") or (isinstance(x, np.ndarray) and x.ndim in (0, 2)):
        raise DatasetError(f"{name}: {type(x).__name__} is not a list of samples. {ALLOWED_SOURCES}")
    if y is None:
        yield from ((one, None) for one in x)
        return
    labels = np.asarray(y) if hasattr(y, "dtype") else y
    if getattr(labels, "ndim", 1) != 1:
        raise DatasetError(f"{name}: the labels are an array {list(labels.shape)}. {LABEL_HINT}")
    if len(x) != len(labels):
        raise DatasetError(f"{name}: there are {len(x):,} samples but {len(labels):,} labels. Pass one label for each.")
    yield from zip(x, labels, strict=True)


def _iter_tf_dataset(source: Any, name: str) -> SampleLabelPairs:  # noqa: ANN401
    """Yield the samples of a tf.data.Dataset with their labels, one by one even if it is batched."""
    if int(source.cardinality()) == -1:
        raise DatasetError(f"{name} is infinite. Leave .repeat() out, or limit it with .take(n).")
    if not isinstance(source.element_spec, tuple) or len(source.element_spec) != 2:
        raise DatasetError(f"{name} does not yield pairs of sample and label. {ALLOWED_SOURCES}")
    for x, y in source.as_numpy_iterator():
        # An image [h,w,c] has its channels last; other arrays with three axes are a batch of grey images.
        batch = np.ndim(x) in (1, 4) or (np.ndim(x) == 3 and x.shape[-1] not in (1, 3))
        if np.ndim(y) != int(batch):
            raise DatasetError(f"{name}: a label is an array {list(np.shape(y))}. {LABEL_HINT}")
        yield from zip(x, y, strict=True) if batch else [(x, y)]


def _collect_samples(pairs: SampleLabelPairs, name: str, classes: tuple[str, ...], options: DataOptions) -> Dataset:
    samples: list[LabeledSample] = []
    skipped_samples: list[SkippedSample] = []
    forms: set[tuple[DataKind, int]] = set()
    only_class_labels, has_labels = True, False
    for number, (one, value) in enumerate(pairs):
        has_labels |= value is not None
        only_class_labels &= value is None or isinstance(value, str | bytes | int | np.integer | np.bool_)
        label = format_label(value, classes, f"{name}, sample {number}")
        kind, texts, data = encode_sample(one, f"{name}, sample {number}")
        forms.add((kind, texts))
        if label or options.task is Task.EMBED:
            samples.append(LabeledSample(f"{number:06}", label, None, data))
        else:
            skipped_samples.append(SkippedSample(f"{number:06}", "the label is missing."))
    if len(forms) > 1:
        raise DatasetError(f"{name} mixes images, texts and pairs of texts. A model takes one of these.")
    if forms and not has_labels and options.task is not Task.EMBED:
        raise DatasetError(f"{name} has no labels. Pass (x, y); or, to embed, options=DataOptions(task=Task.EMBED).")
    kind, texts = forms.pop() if forms else (DataKind.IMAGE, 1)
    # Strings and whole numbers are classes; a regression has floats, or is requested by its task.
    task, note = options.task or Task.CLASSIFY, ""
    if options.task is None and not only_class_labels:
        task, note = guess_task("y", [sample.label for sample in samples])
    return Dataset(
        name, tuple(samples), (note,) if note else (), kind, 2 if texts == 2 else 1, tuple(skipped_samples), task
    )


def format_label(value: Any, classes: tuple[str, ...], where: str) -> str:  # noqa: ANN401
    """Return a label as the text that a table would hold; for a whole number its name in `classes`, if there are any.

    Raises:
        DatasetError: there is no class with that number.
    """
    plain = (
        value.item() if isinstance(value, np.generic) else value.tolist() if isinstance(value, np.ndarray) else value
    )
    if isinstance(plain, bytes):
        return plain.decode(errors="replace")
    if not classes or not isinstance(plain, int):
        return cell_text(sorted(plain) if isinstance(plain, set | frozenset) else plain)
    if not 0 <= plain < len(classes):
        raise DatasetError(
            f"{where}: the label {plain} is not one of the {len(classes)} classes, 0 to {len(classes) - 1}."
        )
    return classes[plain]


def encode_sample(item: Any, where: str) -> tuple[DataKind, int, bytes]:  # noqa: ANN401
    """Return a sample's kind, its number of texts (1 for an image) and its bytes; errors name `where`.

    Raises:
        DatasetError: it is not an image, a text or a pair of texts.
    """
    try:
        match item:
            case str():
                return DataKind.TEXT, 1, encode_text_sample(item)
            case (str(first), str(second)):
                return DataKind.TEXT, 2, encode_text_sample(first, second)
            case bytes() if sniff_format(item):
                return DataKind.IMAGE, 1, bytes(item)
            case bytes():
                return DataKind.TEXT, 1, encode_text_sample(*decode_text_sample(item, 1))
            case np.ndarray():
                return DataKind.IMAGE, 1, _encode_image(item, where)
    except NotText as fault:
        raise DatasetError(f"{where}: {fault}") from None
    raise DatasetError(f"{where} is a {type(item).__name__}. {ALLOWED_SOURCES}")


def _encode_image(pixels: Any, where: str) -> bytes:  # noqa: ANN401
    squeezed = pixels[..., 0] if pixels.ndim == 3 and pixels.shape[-1] == 1 else pixels
    if np.issubdtype(squeezed.dtype, np.floating):
        raise DatasetError(
            f"{where} is an image of {squeezed.dtype}, whose range is ambiguous. Pass uint8: "
            "x.astype('uint8') for values from 0 to 255, (x * 255).round().astype('uint8') for 0 to 1; "
            "for a tf.data.Dataset in a map, with tf.cast(x, tf.uint8)."
        )
    if (
        squeezed.dtype != np.uint8
        or squeezed.ndim not in (2, 3)
        or squeezed.shape[2:] not in ((), (3,))
        or not squeezed.size
    ):
        raise DatasetError(
            f"{where} is an array of {pixels.dtype} {list(pixels.shape)}; an image must be uint8 [h,w,3] (RGB), "
            "[h,w] or [h,w,1] (grey)."
        )
    return encode_png(np.ascontiguousarray(squeezed))
