"""The files in a folder that are meant: which names are pictures, which are texts, and what is passed over."""

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
    """Return what lies in a folder, sorted, without what is hidden or left there by a system.

    Raises:
        OSError: it cannot be read.
    """
    return sorted(
        Path(entry.path)
        for entry in os.scandir(folder)
        if not entry.name.startswith(".") and entry.name.lower() not in IGNORED_NAMES
    )


def walk_files(folder: Path, ancestors: tuple[tuple[int, int], ...] = ()) -> Iterator[Path]:
    """Yield the files below `folder`, links followed, but none that lead back up; `ancestors` are the folders above it.

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
    """Return `path` as text, whatever bytes are in it."""
    return os.fsencode(path).decode(errors="replace")
