"""The plainest tar file there is: regular files one after the other, every byte but their content foreseen.

Any tar reads it. Ours reads nothing else: a header must be exactly the one that we would write (POSIX ustar, mode 644,
no owner, no date), so that a link, a device, a folder, a sparse or oversized entry or a flipped bit cannot even be
told. Names may have 255 characters, files 8 GiB.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from typing import BinaryIO, Final

BLOCK_BYTES: Final = 512
_CHUNK: Final = 1 << 20
_END_BLOCKS: Final = bytes(2 * BLOCK_BYTES)


class PlainTarError(Exception):
    """The bytes are not what `header`, padding and end would be; the message says where."""


def header(name: str, size: int) -> bytes:
    """Return the header of a file of `size` bytes.

    Raises:
        NotPlain: the name or the size does not fit into one.
    """
    entry = tarfile.TarInfo(name)
    entry.size = size
    try:
        return entry.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict")
    except ValueError as fault:
        raise PlainTarError(f"{name!r} of {size:,} bytes does not fit into a plain tar: {fault}") from None


def padding(size: int) -> bytes:
    """Return what stands behind the content of a file of `size` bytes."""
    return bytes(-size % BLOCK_BYTES)


def end_marker() -> bytes:
    """Return what stands behind the last file."""
    return _END_BLOCKS


class PlainTarReader:
    """Goes through a plain tar from its beginning to its end."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def iter_content(self, name: str, size: int) -> Iterator[bytes]:
        """Yield the content of the next file, which must be `name` of `size` bytes.

        Raises:
            NotPlain: it is not.
        """
        if self._read_exactly(BLOCK_BYTES) != header(name, size):
            raise PlainTarError(f"{name!r} of {size:,} bytes should come next, and does not")
        left = size
        while left:
            data = self._read_exactly(min(left, _CHUNK))
            left -= len(data)
            yield data
        if self._read_exactly(len(padding(size))) != padding(size):
            raise PlainTarError(f"there is something behind {name!r}")

    def read_first(self, name: str, max_bytes: int) -> bytes:
        """Return the content of the next file, which must be `name` of at most `max_bytes` bytes; its header tells how many.

        Raises:
            NotPlain: it is not.
        """
        block = self._read_exactly(BLOCK_BYTES)
        try:
            size = tarfile.TarInfo.frombuf(block, "ascii", "strict").size
        except (tarfile.HeaderError, ValueError) as fault:
            raise PlainTarError(f"{name!r} should come first ({fault})") from None
        if not 0 <= size <= max_bytes or block != header(name, size):
            raise PlainTarError(f"{name!r} of at most {max_bytes:,} bytes should come first")
        data = self._read_exactly(size)
        if self._read_exactly(len(padding(size))) != padding(size):
            raise PlainTarError(f"there is something behind {name!r}")
        return data

    def expect_end(self) -> None:
        """Read the end.

        Raises:
            NotPlain: more comes.
        """
        if self._read_exactly(len(_END_BLOCKS)) != _END_BLOCKS or self._file.read(1):
            raise PlainTarError("there is something behind the last file")

    def _read_exactly(self, size: int) -> bytes:
        data = self._file.read(size)
        if len(data) < size:
            raise PlainTarError("it ends too early")
        return data
