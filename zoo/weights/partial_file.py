"""A partial download on disk: the bytes so far with their hashes, and which version of the file they belong to.

FILE.part has the bytes. FILE.part.json has the validator that the server gave for that version of the file (a strong
ETag, or the date of its last change; RFC 9110, section 8.8), so that a later run can resume the download.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from graft.storage.atomic_file import fsync_folder, write_atomic

_READ_BYTES: Final = 1 << 20
_MAGIC_BYTES: Final = {".h5": (b"\x89HDF\r\n\x1a\n",), ".whl": (b"PK\x03\x04",), ".json": (b"{", b"[")}
# Vocabularies may start with "<", as in <s>, <unk> and <pad>, but never like this.
_PAGE_PREFIXES: Final = (b"<!doctype", b"<!--", b"<html", b"<head", b"<body", b"<?xml")


class PartialFile:
    """The part of one file that has arrived, hashed while it is written."""

    def __init__(self, path: Path) -> None:
        self.path = path.with_name(path.name + ".part")
        self.name = path.name
        self._validator_path = path.with_name(path.name + ".part.json")
        self._reset_hashes()

    def size(self) -> int:
        """Return the number of bytes that have arrived."""
        return self.path.stat().st_size if self.path.is_file() else 0

    def read_validator(self, url: str) -> str | None:
        """Return the validator of the part; None if it has none or came from another URL: it cannot be resumed then."""
        try:
            record = json.loads(self._validator_path.read_bytes())
            return str(record["validator"]) if record["url"] == url else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def restart(self, url: str, validator: str | None) -> None:
        """Discard what has arrived, and record which version of the file comes now."""
        self.discard()
        self.path.touch()
        if validator:
            write_atomic(self._validator_path, json.dumps({"url": url, "validator": validator}).encode())

    @contextmanager
    def open_append(self) -> Iterator[BinaryIO]:
        """Open the part for `write`; bytes that an earlier run left are hashed first."""
        self._hash_unhashed_bytes()
        with self.path.open("ab") as file:
            yield file

    def write(self, file: BinaryIO, block: bytes) -> None:
        """Append `block` and hash it."""
        file.write(block)
        self._update_hashes(block)

    def sha256(self) -> str:
        """Return the SHA-256 of the part, in hex."""
        self._hash_unhashed_bytes()
        return self._sha256.hexdigest()

    def md5(self) -> str:
        """Return the MD5 of the part, in hex."""
        self._hash_unhashed_bytes()
        return self._md5.hexdigest()

    def has_expected_magic(self) -> bool:
        """Say whether the first bytes fit the suffix of the file's name; an empty file fits none."""
        head = self._first_bytes()
        if not head or self.is_web_page():
            return False
        return head.lstrip().startswith(_MAGIC_BYTES.get(Path(self.name).suffix, (b"",)))

    def is_web_page(self) -> bool:
        """Say whether the bytes look like HTML or XML."""
        return self._first_bytes().removeprefix(b"\xef\xbb\xbf").lstrip().lower().startswith(_PAGE_PREFIXES)

    def rename_to(self, path: Path) -> None:
        """Rename the complete part to `path`; its bytes are synced to the disk first."""
        with self.path.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(self.path, path)
        self.discard()
        fsync_folder(path.parent)

    def discard(self) -> None:
        """Delete the part and its validator."""
        self.path.unlink(missing_ok=True)
        self._validator_path.unlink(missing_ok=True)
        self._reset_hashes()

    def _reset_hashes(self) -> None:
        self._sha256, self._md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        self._hashed_bytes = 0

    def _update_hashes(self, block: bytes) -> None:
        self._sha256.update(block)
        self._md5.update(block)
        self._hashed_bytes += len(block)

    def _hash_unhashed_bytes(self) -> None:
        """Hash the bytes on disk that did not come through `write` of this object."""
        if self._hashed_bytes == (size := self.size()):
            return
        if self._hashed_bytes > size:  # the end of it never reached the disk
            self._reset_hashes()
        with self.path.open("rb") as file:
            file.seek(self._hashed_bytes)
            while block := file.read(_READ_BYTES):
                self._update_hashes(block)

    def _first_bytes(self) -> bytes:
        with self.path.open("rb") as file:
            return file.read(256)
