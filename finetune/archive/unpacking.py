"""What an archive may put into a folder: regular files and folders below it, each name once, so many, so large.

An archive comes from anywhere. It is judged entry by entry before a byte of the entry is written, by its promises
first and then by what really comes: promises may be lies.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Final

from finetune.dataset import MAX_BYTES
from zoo.errors import DatasetError
from zoo.folders import IGNORED
from zoo.progress import Bar

MOST_ENTRIES: Final = 1_000_000  # files and folders
MOST_BYTES: Final = 64 << 30  # of all files
HARMLESS: Final = 1 << 30  # bytes that any archive may become; more only up to RATIO
RATIO: Final = 200  # bytes that each byte of the archive may become
DEEPEST: Final = 32  # folders in folders
LONGEST: Final = 1024  # characters of a name with its folders
_BLOCK: Final = 1 << 18


def most_bytes(archive: Path) -> int:
    """Return how many bytes an archive may become."""
    return min(MOST_BYTES, max(HARMLESS, RATIO * archive.stat().st_size))


class Unpacking:
    """One archive on its way into an empty folder of our own.

    Its methods raise DatasetError for whatever a harmless archive does not do.
    """

    def __init__(self, archive: Path, folder: Path, bar: Bar, *, folds_case: bool) -> None:
        """Unpack `archive` into `folder`; `folds_case` where names that differ only in case are one name there."""
        self.archive, self.folder = archive, folder
        self._bar, self._folds_case = bar, folds_case
        self._left, self._entries = most_bytes(archive), 0
        self._folders: set[tuple[str, ...]] = {()}
        self._spelled: dict[str, str] = {}  # names by what the file system makes of them

    def promised(self, entries: int, size: int) -> None:
        """Hear how many entries there will be, and how many bytes."""
        self._count(entries)
        self._entries = 0
        if size > self._left:
            raise self._too_large()

    def entry(self, name: str) -> tuple[str, ...] | None:
        """Return the parts of the next entry's name; None where such files are passed over."""
        self._count(1)
        plain = name.replace("\\", "/")
        parts = tuple(part for part in plain.split("/") if part not in ("", "."))
        if plain.startswith("/") or re.match("[A-Za-z]:", plain):
            raise self.refused(name, "has a name that is absolute")
        if ".." in parts or "\0" in plain:
            raise self.refused(name, "has a name that leads out of the archive")
        if len(parts) > DEEPEST or len(plain) > LONGEST:
            raise self.refused(name[:80] + " …", f"lies deeper than {DEEPEST} folders, or has an endless name")
        hidden = any(part.startswith(".") or part.lower() in IGNORED for part in parts)
        return None if hidden or not parts else parts

    def make_folder(self, parts: tuple[str, ...]) -> None:
        """Make a folder and those above it, where they are not there."""
        for depth in range(1, len(parts) + 1):
            if (above := parts[:depth]) not in self._folders:
                self._once(above)
                try:
                    self.folder.joinpath(*above).mkdir()
                except FileExistsError:
                    raise self.refused("/".join(above), "is there twice, as a file and as a folder") from None
                self._folders.add(above)
                self._count(1)

    def write(self, parts: tuple[str, ...], size: int, read: Callable[[int], bytes]) -> None:
        """Write a file of `size` bytes as it promises; `read` gives the next bytes, b"" at the end."""
        name = "/".join(parts)
        if size > MAX_BYTES:
            raise self.refused(name, f"has {size:,} bytes; one sample may have {MAX_BYTES:,}")
        self.make_folder(parts[:-1])
        self._once(parts)
        try:
            file = self.folder.joinpath(*parts).open("xb")
        except FileExistsError:
            raise self.refused(name, "is there twice") from None
        with file:
            while size:
                data = read(min(size, _BLOCK))
                if not data:
                    raise self.damaged(f"{name!r} ends too early")
                self._left -= len(data)
                if self._left < 0:
                    raise self._too_large()
                file.write(data)
                size -= len(data)
                self._bar.advance(len(data))

    def refused(self, name: str, why: str) -> DatasetError:
        """Return the error for an entry that does what it may not."""
        shown = os.fsencode(name).decode(errors="replace")
        return DatasetError(
            f"{self.archive}: {shown!r} {why}. Allowed are regular files and folders, each name once. "
            "Unpack it yourself if you trust it, and give the folder. Nothing of it was kept."
        )

    def damaged(self, why: object) -> DatasetError:
        """Return the error for an archive that cannot be read to its end."""
        return DatasetError(f"{self.archive} is truncated, corrupt or no such archive ({why}). Make or fetch it again.")

    def _count(self, entries: int) -> None:
        self._entries += entries
        if self._entries > MOST_ENTRIES:
            raise DatasetError(
                f"{self.archive} holds more than {MOST_ENTRIES:,} files and folders. Give it in parts, or unpacked."
            )

    def _too_large(self) -> DatasetError:
        return DatasetError(
            f"{self.archive} would become more than {most_bytes(self.archive):,} bytes; allowed are {RATIO} times its "
            f"own size (or {HARMLESS:,} bytes where that is more), and {MOST_BYTES:,} at most. "
            "Unpack it yourself if you trust it, and give the folder. Nothing of it was kept."
        )

    def _once(self, parts: tuple[str, ...]) -> None:
        """Refuse a name that the file system takes for another one."""
        if not self._folds_case:
            return
        name = "/".join(parts)
        first = self._spelled.setdefault(unicodedata.normalize("NFC", name).casefold(), name)
        if first != name:
            raise self.refused(name, f"and {first!r} are one name on this disk, which does not tell case")


def folds_case(folder: Path) -> bool:
    """Say whether names that differ only in case are one name in a folder that can be written."""
    probe = folder / "probe"
    probe.touch()
    try:
        return (folder / "PROBE").exists()
    finally:
        probe.unlink()
