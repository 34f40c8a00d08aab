"""The entries of a tar file, plain or compressed, read once from its beginning to its end."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
from pathlib import Path
from typing import IO, Final

from finetune.archive.unpacking import Unpacking, most_bytes

HEADERS: Final = 1 << 20  # bytes that the headers of one entry may have
_BLOCK: Final = 1 << 18
_MAGIC: Final = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}


def unpack_tar(path: Path, into: Unpacking) -> None:
    """Unpack a tar file; how it is compressed is told by its first bytes.

    Raises:
        DatasetError: an entry is refused.
    """
    with _opened(path) as file:
        stream = _Stream(file, into, most_bytes(path))
        stream.headers = HEADERS
        with tarfile.TarFile(fileobj=stream) as archive:  # type: ignore[arg-type]
            while entry := archive.next():
                _unpack(entry, stream, into)
                stream.seek(archive.offset)
                stream.headers = HEADERS
                archive.members.clear()  # type: ignore[attr-defined]  # else it keeps them all
        if stream.last.strip(b"\0") or not stream.last:  # tarfile takes any odd header for the end
            raise into.damaged("its end is missing")
        stream.headers = None
        while stream.read(_BLOCK):  # only at the very end do gzip, bzip2 and xz check what they gave
            pass


def _unpack(entry: tarfile.TarInfo, stream: _Stream, into: Unpacking) -> None:
    stream.headers = None
    if (parts := into.entry(entry.name)) is None:
        return
    if entry.isdir():
        into.make_folder(parts)
    elif entry.isreg() and not entry.issparse():
        into.write(parts, entry.size, stream.read)
    else:
        raise into.refused(entry.name, "is a link, a device or full of holes")


def _opened(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        head = file.read(8)
    opener = next((opener for magic, opener in _MAGIC.items() if head.startswith(magic)), open)
    return opener(path, "rb")  # type: ignore[operator,no-any-return]


class _Stream:
    """The unpacked bytes of a tar file, which go forward only, are counted, and are not read in one piece."""

    def __init__(self, file: IO[bytes], into: Unpacking, most: int) -> None:
        self._file, self._into, self._most = file, into, most
        self._at = 0
        self.headers: int | None = None  # bytes of headers that may still come; None: the content of an entry
        self.last = b""  # what was read last

    def read(self, size: int) -> bytes:
        if self.headers is not None:
            if size > self.headers:  # tarfile reads a long name in one piece, however long it says to be
                raise self._into.damaged(f"headers of more than {HEADERS:,} bytes")
            self.headers -= size
        self.last = self._file.read(size)
        self._at += len(self.last)
        if self._at > self._most + HEADERS:
            self._into.promised(0, self._most + 1)
        return self.last

    def tell(self) -> int:
        return self._at

    def seek(self, to: int) -> int:
        if to < self._at:
            raise self._into.damaged("an entry that begins before the one before it ends")
        self.headers = None
        while self._at < to and self.read(min(to - self._at, _BLOCK)):
            pass
        return self._at
