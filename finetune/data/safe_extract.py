"""Safe extraction of untrusted zip and tar files: limits against zip bombs, path traversal, links and name clashes.

Only regular files and folders are extracted, each name once, below the target folder. Each entry is checked before
any of it is written, first by its declared size, then by the bytes that are really read, as a declared size may lie.

`tarfile.data_filter` does not replace this: it strips leading slashes and allows links inside the archive, which are
errors here, and it limits neither sizes nor headers nor the number of entries.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import re
import stat
import tarfile
import unicodedata
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Final

from finetune.data.dataset import MAX_BYTES_PER_SAMPLE
from graft.errors import DatasetError
from graft.inputs.sample_files import IGNORED_NAMES
from graft.progress import ProgressBar

MAX_ENTRIES: Final = 1_000_000  # files and folders
MAX_EXTRACTED_BYTES: Final = 64 << 30  # of all files together
ALWAYS_ALLOWED_BYTES: Final = 1 << 30  # extracted size allowed at any ratio; more only up to MAX_COMPRESSION_RATIO
MAX_COMPRESSION_RATIO: Final = 200  # extracted bytes per byte of the archive
MAX_NESTED_FOLDERS: Final = 32
MAX_NAME_LENGTH: Final = 1024  # characters of a name with its folders
MAX_TAR_HEADER_BYTES: Final = 1 << 20  # of one entry, long names included
_OPENERS_BY_MAGIC: Final = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
ENCRYPTED_FLAG: Final = 0x1  # of a zip entry
# Without LZMA, of which an entry may demand a dictionary of 4 GB.
ALLOWED_COMPRESSION: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)
_BLOCK_BYTES: Final = 1 << 18  # read at once


def max_extracted_bytes(archive: Path) -> int:
    """Return the limit on the extracted size of an archive, in bytes."""
    return min(MAX_EXTRACTED_BYTES, max(ALWAYS_ALLOWED_BYTES, MAX_COMPRESSION_RATIO * archive.stat().st_size))


class SafeExtractor:
    """Checks and writes the entries of one archive into an empty folder.

    Its methods raise DatasetError for anything that a harmless archive does not do.
    """

    def __init__(self, archive: Path, folder: Path, bar: ProgressBar, *, case_insensitive: bool) -> None:
        """Extract `archive` into `folder`; `case_insensitive`: its file system does not distinguish case in names."""
        self.archive, self.folder = archive, folder
        self._bar, self._case_insensitive = bar, case_insensitive
        self._bytes_left, self._entry_count = max_extracted_bytes(archive), 0
        self._made_folders: set[tuple[str, ...]] = {()}
        self._name_by_casefold: dict[str, str] = {}  # names by the form that the file system compares

    def check_totals(self, entries: int, total_bytes: int) -> None:
        """Check the declared number of entries and their declared total size against the limits."""
        self._count_entries(entries)
        self._entry_count = 0
        if total_bytes > self._bytes_left:
            raise self._size_error()

    def check_entry(self, name: str) -> tuple[str, ...] | None:
        """Return the parts of the next entry's name; None for hidden and other ignored files."""
        self._count_entries(1)
        plain = name.replace("\\", "/")
        parts = tuple(part for part in plain.split("/") if part not in ("", "."))
        if plain.startswith("/") or re.match("[A-Za-z]:", plain):
            raise self.entry_error(name, "has an absolute path")
        if ".." in parts or "\0" in plain:
            raise self.entry_error(name, "has a path that leads out of the archive")
        if len(parts) > MAX_NESTED_FOLDERS or len(plain) > MAX_NAME_LENGTH:
            raise self.entry_error(
                name[:80] + " …",
                f"is nested deeper than {MAX_NESTED_FOLDERS} folders, or its path has over {MAX_NAME_LENGTH:,} letters",
            )
        hidden = any(part.startswith(".") or part.lower() in IGNORED_NAMES for part in parts)
        return None if hidden or not parts else parts

    def make_folder(self, parts: tuple[str, ...]) -> None:
        """Create a folder and its parents, if missing."""
        for depth in range(1, len(parts) + 1):
            if (above := parts[:depth]) not in self._made_folders:
                self._reserve_name(above)
                try:
                    self.folder.joinpath(*above).mkdir()
                except FileExistsError:
                    raise self.entry_error("/".join(above), "occurs twice, as a file and as a folder") from None
                self._made_folders.add(above)
                self._count_entries(1)

    def write_file(self, parts: tuple[str, ...], size: int, read: Callable[[int], bytes]) -> None:
        """Write a file of the declared `size` in bytes; `read(n)` returns the next bytes, at most n, b"" at the end."""
        name = "/".join(parts)
        if size > MAX_BYTES_PER_SAMPLE:
            raise self.entry_error(
                name, f"has {size:,} bytes; at most {MAX_BYTES_PER_SAMPLE:,} are allowed for one sample"
            )
        self.make_folder(parts[:-1])
        self._reserve_name(parts)
        try:
            file = self.folder.joinpath(*parts).open("xb")
        except FileExistsError:
            raise self.entry_error(name, "occurs twice") from None
        with file:
            while size:
                data = read(min(size, _BLOCK_BYTES))
                if not data:
                    raise self.damage_error(f"{name!r} ends too early")
                self._bytes_left -= len(data)
                if self._bytes_left < 0:
                    raise self._size_error()
                file.write(data)
                size -= len(data)
                self._bar.advance(len(data))

    def entry_error(self, name: str, why: str) -> DatasetError:
        """Return the error for a forbidden entry."""
        shown = os.fsencode(name).decode(errors="replace")
        return DatasetError(
            f"{self.archive}: {shown!r} {why}. Allowed are regular files and folders, each name once. "
            "Unpack it yourself if you trust it, and pass the folder. Nothing was extracted."
        )

    def damage_error(self, why: object) -> DatasetError:
        """Return the error for an archive that cannot be read to the end."""
        return DatasetError(
            f"{self.archive} is truncated, corrupt or not such an archive ({why}). Create or download it again."
        )

    def _count_entries(self, entries: int) -> None:
        self._entry_count += entries
        if self._entry_count > MAX_ENTRIES:
            raise DatasetError(
                f"{self.archive} holds more than {MAX_ENTRIES:,} files and folders. Split it, or pass it unpacked."
            )

    def _size_error(self) -> DatasetError:
        return DatasetError(
            f"{self.archive} would extract to more than {max_extracted_bytes(self.archive):,} bytes; allowed are "
            f"{MAX_COMPRESSION_RATIO} times its own size (or {ALWAYS_ALLOWED_BYTES:,} bytes if that is more), and "
            f"{MAX_EXTRACTED_BYTES:,} at most. "
            "Unpack it yourself if you trust it, and pass the folder. Nothing was extracted."
        )

    def _reserve_name(self, parts: tuple[str, ...]) -> None:
        """Refuse a name that the file system cannot distinguish from an earlier one."""
        if not self._case_insensitive:
            return
        name = "/".join(parts)
        first = self._name_by_casefold.setdefault(unicodedata.normalize("NFC", name).casefold(), name)
        if first != name:
            raise self.entry_error(name, f"and {first!r} are the same name on this disk, which ignores case")


def is_case_insensitive(folder: Path) -> bool:
    """Return whether the file system of a writable folder ignores case in names."""
    probe = folder / "probe"
    probe.touch()
    try:
        return (folder / "PROBE").exists()
    finally:
        probe.unlink()


def extract_tar(path: Path, extractor: SafeExtractor) -> None:
    """Extract a tar file, plain or compressed with gzip, bzip2 or xz as its first bytes show.

    Raises:
        DatasetError: an entry is forbidden, or a limit is exceeded.
    """
    with _open_decompressed(path) as file:
        stream = _TarStream(file, extractor, max_extracted_bytes(path))
        stream.header_bytes_left = MAX_TAR_HEADER_BYTES
        with tarfile.TarFile(fileobj=stream) as archive:  # type: ignore[arg-type]
            while entry := archive.next():
                _extract_tar_entry(entry, stream, extractor)
                stream.seek(archive.offset)
                stream.header_bytes_left = MAX_TAR_HEADER_BYTES
                archive.members.clear()  # type: ignore[attr-defined]  # else tarfile keeps all of them in memory
        if stream.last_read.strip(b"\0") or not stream.last_read:  # tarfile treats any invalid header as the end
            raise extractor.damage_error("its end marker is missing")
        stream.header_bytes_left = None
        while stream.read(_BLOCK_BYTES):  # gzip, bzip2 and xz verify their checksum only at the end
            pass


def _extract_tar_entry(entry: tarfile.TarInfo, stream: _TarStream, extractor: SafeExtractor) -> None:
    stream.header_bytes_left = None
    if (parts := extractor.check_entry(entry.name)) is None:
        return
    if entry.isdir():
        extractor.make_folder(parts)
    elif entry.isreg() and not entry.issparse():
        extractor.write_file(parts, entry.size, stream.read)
    else:
        raise extractor.entry_error(entry.name, "is a link, a device or a sparse file")


def _open_decompressed(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        head = file.read(8)
    opener = next((opener for magic, opener in _OPENERS_BY_MAGIC.items() if head.startswith(magic)), open)
    return opener(path, "rb")  # type: ignore[operator,no-any-return]


class _TarStream:
    """The decompressed bytes of a tar file: forward only, counted, and with a limit on the headers of an entry."""

    def __init__(self, file: IO[bytes], extractor: SafeExtractor, max_bytes: int) -> None:
        self._file, self._extractor, self._max_bytes = file, extractor, max_bytes
        self._position = 0
        self.header_bytes_left: int | None = None  # header bytes that may still be read; None inside an entry's content
        self.last_read = b""  # the bytes of the last read

    def read(self, size: int) -> bytes:
        if self.header_bytes_left is not None:
            if size > self.header_bytes_left:  # tarfile reads a long name at once, whatever its declared length
                raise self._extractor.damage_error(f"headers of more than {MAX_TAR_HEADER_BYTES:,} bytes")
            self.header_bytes_left -= size
        self.last_read = self._file.read(size)
        self._position += len(self.last_read)
        if self._position > self._max_bytes + MAX_TAR_HEADER_BYTES:
            self._extractor.check_totals(0, self._max_bytes + 1)
        return self.last_read

    def tell(self) -> int:
        return self._position

    def seek(self, to: int) -> int:
        if to < self._position:
            raise self._extractor.damage_error("overlapping entries")
        self.header_bytes_left = None
        while self._position < to and self.read(min(to - self._position, _BLOCK_BYTES)):
            pass
        return self._position


def extract_zip(path: Path, extractor: SafeExtractor) -> None:
    """Extract a zip file.

    Raises:
        DatasetError: an entry is forbidden, or a limit is exceeded.
    """
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        extractor.check_totals(len(entries), sum(entry.file_size for entry in entries))
        for entry in entries:
            if (parts := extractor.check_entry(name := _zip_entry_name(entry))) is None:
                continue
            if why := _zip_refusal_reason(entry):
                raise extractor.entry_error(name, why)
            if entry.is_dir():
                extractor.make_folder(parts)
            else:
                with archive.open(entry) as file:  # never yields more than the declared size, and checks the CRC
                    extractor.write_file(parts, entry.file_size, file.read)


def _zip_refusal_reason(entry: zipfile.ZipInfo) -> str:
    """Return why an entry is forbidden; "" if it is allowed."""
    if entry.flag_bits & ENCRYPTED_FLAG:
        return "is encrypted, which is not supported"
    if entry.compress_type not in ALLOWED_COMPRESSION:
        return f"is compressed with method {entry.compress_type}; only deflate, bzip2 and none are supported"
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR) or (kind == stat.S_IFDIR) > entry.is_dir():
        return "is a link or a device"
    return ""


def _zip_entry_name(entry: zipfile.ZipInfo) -> str:
    """Return an entry's name; some programs write UTF-8 without setting its flag."""
    try:
        return entry.filename if entry.flag_bits & 0x800 else entry.filename.encode("cp437").decode()
    except UnicodeError:
        return entry.filename
