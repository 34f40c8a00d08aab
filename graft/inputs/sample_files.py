"""Find sample files in a folder: suffixes of images and texts, names to ignore, hidden files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

IMAGE_SUFFIXES: Final = frozenset((
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".dib", ".gif",
    ".heic", ".heif", ".avif", ".tif", ".tiff",
))  # fmt: skip
TEXT_SUFFIXES: Final = frozenset((".txt", ".text"))
IGNORED_NAMES: Final = frozenset(("__macosx", "__pycache__", "thumbs.db", "desktop.ini"))


def list_visible(folder: Path) -> list[Path]:
    """Return the sorted entries of a folder, without hidden ones and files of operating systems.

    Raises:
        OSError: the folder cannot be read.
    """
    return sorted(
        Path(entry.path)
        for entry in os.scandir(folder)
        if not entry.name.startswith(".") and entry.name.lower() not in IGNORED_NAMES
    )


def walk_files(folder: Path, ancestors: tuple[tuple[int, int], ...] = ()) -> Iterator[Path]:
    """Yield the files below `folder`, following links but not in circles.

    `ancestors` are the device and inode numbers of the folders above.

    Raises:
        OSError: a folder cannot be read.
    """
    stat = folder.stat()
    folder_id = (stat.st_dev, stat.st_ino)
    if folder_id in ancestors:
        return
    for path in list_visible(folder):
        if path.is_dir():
            yield from walk_files(path, (*ancestors, folder_id))
        else:
            yield path


def printable_path(path: Path) -> str:
    """Return `path` as printable text; bytes that are not UTF-8 are replaced."""
    return os.fsencode(path).decode(errors="replace")
