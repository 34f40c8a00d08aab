"""The files in a folder that are meant: which names are pictures, which are texts, and what is passed over."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

PICTURE: Final = frozenset((
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".dib", ".gif",
    ".heic", ".heif", ".avif", ".tif", ".tiff",
))  # fmt: skip
TEXT: Final = frozenset((".txt", ".text"))
IGNORED: Final = frozenset(("__macosx", "__pycache__", "thumbs.db", "desktop.ini"))


def visible(top: Path) -> list[Path]:
    """Return what lies in a folder, sorted, without what is hidden or left there by a system.

    Raises:
        OSError: it cannot be read.
    """
    return sorted(
        Path(entry.path)
        for entry in os.scandir(top)
        if not entry.name.startswith(".") and entry.name.lower() not in IGNORED
    )


def files(folder: Path, above: tuple[tuple[int, int], ...] = ()) -> Iterator[Path]:
    """Yield the files below `folder`, links followed, but none that lead back up; `above` are the folders above it.

    Raises:
        OSError: a folder cannot be read.
    """
    facts = folder.stat()
    here = (facts.st_dev, facts.st_ino)
    if here in above:
        return
    for path in visible(folder):
        if path.is_dir():
            yield from files(path, (*above, here))
        else:
            yield path


def shown(path: Path) -> str:
    """Return `path` as text, whatever bytes are in it."""
    return os.fsencode(path).decode(errors="replace")
