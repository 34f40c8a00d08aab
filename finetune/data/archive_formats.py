"""The entries of a tar file, plain or compressed, read once from its beginning to its end.

The entries of a zip file.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import stat
import tarfile
import zipfile
from pathlib import Path
from typing import IO, Final

from finetune.data.safe_extract import SafeExtractor, max_extracted_bytes

MAX_TAR_HEADER_BYTES: Final = 1 << 20  # bytes that the headers of one entry may have


_TAR_BLOCK_BYTES: Final = 1 << 18


_OPENERS_BY_MAGIC: Final = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}


ENCRYPTED_FLAG: Final = 0x1  # a flag of an entry

# LZMA is not among them: an entry may ask for a dictionary of 4 GB.
ALLOWED_COMPRESSION: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)


def extract_tar(path: Path, extractor: SafeExtractor) -> None:
    """Unpack a tar file; how it is compressed is told by its first bytes.

    Raises:
        DatasetError: an entry is refused.
    """
    with _open_decompressed(path) as file:
        stream = _TarStream(file, extractor, max_extracted_bytes(path))
        stream.header_bytes_left = MAX_TAR_HEADER_BYTES
        with tarfile.TarFile(fileobj=stream) as archive:  # type: ignore[arg-type]
            while entry := archive.next():
                _extract_tar_entry(entry, stream, extractor)
                stream.seek(archive.offset)
                stream.header_bytes_left = MAX_TAR_HEADER_BYTES
                archive.members.clear()  # type: ignore[attr-defined]  # else it keeps them all
        if stream.last_read.strip(b"\0") or not stream.last_read:  # tarfile takes any odd header for the end
            raise extractor.damage_error("its end is missing")
        stream.header_bytes_left = None
        while stream.read(_TAR_BLOCK_BYTES):  # only at the very end do gzip, bzip2 and xz check what they gave
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
        raise extractor.entry_error(entry.name, "is a link, a device or full of holes")


def _open_decompressed(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        head = file.read(8)
    opener = next((opener for magic, opener in _OPENERS_BY_MAGIC.items() if head.startswith(magic)), open)
    return opener(path, "rb")  # type: ignore[operator,no-any-return]


class _TarStream:
    """The unpacked bytes of a tar file, which go forward only, are counted, and are not read in one piece."""

    def __init__(self, file: IO[bytes], extractor: SafeExtractor, max_bytes: int) -> None:
        self._file, self._extractor, self._max_bytes = file, extractor, max_bytes
        self._position = 0
        self.header_bytes_left: int | None = None  # bytes of headers that may still come; None: the content of an entry
        self.last_read = b""  # what was read last

    def read(self, size: int) -> bytes:
        if self.header_bytes_left is not None:
            if size > self.header_bytes_left:  # tarfile reads a long name in one piece, however long it says to be
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
            raise self._extractor.damage_error("an entry that begins before the one before it ends")
        self.header_bytes_left = None
        while self._position < to and self.read(min(to - self._position, _TAR_BLOCK_BYTES)):
            pass
        return self._position


def extract_zip(path: Path, extractor: SafeExtractor) -> None:
    """Unpack a zip file.

    Raises:
        DatasetError: an entry is refused.
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
                with archive.open(entry) as file:  # which never gives more than was promised, and checks the CRC
                    extractor.write_file(parts, entry.file_size, file.read)


def _zip_refusal_reason(entry: zipfile.ZipInfo) -> str:
    """Return why an entry is refused; "" where it is none."""
    if entry.flag_bits & ENCRYPTED_FLAG:
        return "is encrypted, which is not read"
    if entry.compress_type not in ALLOWED_COMPRESSION:
        return f"is packed by method {entry.compress_type}; deflate, bzip2 and none are read"
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR) or (kind == stat.S_IFDIR) > entry.is_dir():
        return "is a link or a device"
    return ""


def _zip_entry_name(entry: zipfile.ZipInfo) -> str:
    """Return an entry's name; some programs write UTF-8 without saying so."""
    try:
        return entry.filename if entry.flag_bits & 0x800 else entry.filename.encode("cp437").decode()
    except UnicodeError:
        return entry.filename
