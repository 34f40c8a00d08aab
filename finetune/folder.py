"""A folder of class folders, perhaps below train/, val/ and test/, as a dataset."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from finetune.dataset import PART_NAMES, Dataset, Part, Sample
from zoo.errors import DatasetError

PICTURE: Final = frozenset(
    f".{suffix}"
    for suffix in (
        "jpg",
        "jpeg",
        "jpe",
        "jfif",
        "png",
        "webp",
        "bmp",
        "dib",
        "gif",
        "heic",
        "heif",
        "avif",
        "tif",
        "tiff",
    )
)
# Files that lie about in data folders and are clearly no samples; anything else is tried.
BESIDE: Final = frozenset(
    f".{suffix}"
    for group in (
        ("txt", "md", "rst", "html", "htm", "log", "license"),
        ("csv", "tsv", "json", "jsonl", "xml", "yaml", "yml", "toml", "ini", "cfg", "db", "sha256", "md5"),
        ("py", "ipynb", "sh"),
    )
    for suffix in group
)
IGNORED: Final = frozenset(("__macosx", "__pycache__", "thumbs.db", "desktop.ini"))


def load(root: Path) -> Dataset:
    """Read a folder: each folder in it is a class, and every picture below that is one of its samples.

    Where the folders are `train` and `val` or `test` (or `valid`, `validation`, …) with class folders in
    them, they are the data's own split. Hidden files are ignored; so are links that lead back up.

    Raises:
        DatasetError: it is not laid out so, or cannot be read.
    """
    try:
        folders = _folders(root)
        parts = _parts(folders)
        samples: list[Sample] = []
        beside = 0
        for top, part in parts.items() if parts else [(root, None)]:
            _refuse_loose_pictures(top)
            for folder in _folders(top):
                files = list(_files(folder))
                meant = [path for path in files if path.suffix.lower() not in BESIDE]
                beside += len(files) - len(meant)
                if not meant:
                    raise DatasetError(f"{folder} holds no pictures. Remove the folder, or put pictures into it.")
                samples += [Sample(_ref(path, root), folder.name, part, path) for path in meant]
    except OSError as fault:
        raise DatasetError(f"{fault.filename} cannot be read ({fault.strerror}). Check its permissions.") from None
    notes = (f"{beside} files that are clearly no pictures (.txt, .json, …) were passed over.",) if beside else ()
    return Dataset(str(root), tuple(sorted(samples, key=lambda sample: sample.ref)), notes)


def _parts(folders: list[Path]) -> dict[Path, Part]:
    """Return the part of each folder if they are a split; nothing if they are classes."""
    parts = {folder: PART_NAMES[folder.name.lower()] for folder in folders if folder.name.lower() in PART_NAMES}
    if len(parts) < 2 or Part.TRAIN not in parts.values() or not any(_folders(folder) for folder in parts):
        return {}
    if strange := [folder.name for folder in folders if folder not in parts]:
        raise DatasetError(
            f"{folders[0].parent} holds the split {', '.join(folder.name + '/' for folder in parts)} and also "
            f"{', '.join(strange)}. Move what is no part of the split away, or say it all in a CSV file."
        )
    return parts


def _refuse_loose_pictures(top: Path) -> None:
    loose = [path for path in _visible(top) if path.suffix.lower() in PICTURE and path.is_file()]
    if not loose:
        return
    tables = [path for path in _visible(top) if path.suffix.lower() in (".csv", ".tsv")]
    hint = f"If {tables[0].name} names them, give it: finetune {tables[0]}. " if tables else ""
    raise DatasetError(
        f"{len(loose):,} pictures lie directly in {top} ({loose[0].name}, …), so their class is not known. {hint}"
        "Put each picture into a folder called after its class."
    )


def _folders(top: Path) -> list[Path]:
    return [path for path in _visible(top) if path.is_dir()]


def _visible(top: Path) -> list[Path]:
    return sorted(
        Path(entry.path)
        for entry in os.scandir(top)
        if not entry.name.startswith(".") and entry.name.lower() not in IGNORED
    )


def _files(folder: Path, above: tuple[tuple[int, int], ...] = ()) -> Iterator[Path]:
    """Yield the files below `folder`, links followed; `above` are the folders that lead to it."""
    facts = folder.stat()
    here = (facts.st_dev, facts.st_ino)
    if here in above:
        return
    for path in _visible(folder):
        if path.is_dir():
            yield from _files(path, (*above, here))
        else:
            yield path


def _ref(path: Path, root: Path) -> str:
    """Return `path` below `root` as text, whatever bytes are in it."""
    return os.fsencode(path.relative_to(root)).decode(errors="replace")
