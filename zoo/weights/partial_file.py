"""A download under way: the bytes that have arrived, and what version of the file they belong to.

They are `FILE.part`; `FILE.part.json` holds the server's name for that very version of the file (its
validator, RFC 9110 section 8.8).
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Final

from graft.storage.atomic_file import fsync_folder, write_atomic

_MAGIC_BYTES: Final = {".h5": (b"\x89HDF\r\n\x1a\n",), ".whl": (b"PK\x03\x04",), ".json": (b"{", b"[")}
# No vocabulary begins so, though many begin with "<": <s>, <unk>, <pad>.
_PAGE_PREFIXES: Final = (b"<!doctype", b"<!--", b"<html", b"<head", b"<body", b"<?xml")


class PartialFile:
    """The part of one file."""

    def __init__(self, path: Path) -> None:
        self.path = path.with_name(path.name + ".part")
        self.name = path.name
        self._validator_path = path.with_name(path.name + ".part.json")

    def size(self) -> int:
        """Return how many bytes have arrived."""
        return self.path.stat().st_size if self.path.is_file() else 0

    def read_validator(self, url: str) -> str | None:
        """Return the validator of the part if it came from `url`; None means that it cannot be continued."""
        try:
            record = json.loads(self._validator_path.read_bytes())
            return str(record["validator"]) if record["url"] == url else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def restart(self, url: str, validator: str | None) -> None:
        """Forget what was there; note the version that now comes."""
        self.discard()
        self.path.touch()
        if validator:
            write_atomic(self._validator_path, json.dumps({"url": url, "validator": validator}).encode())

    def has_expected_magic(self) -> bool:
        """Say whether the first bytes are those of a file of this kind; none at all are of no kind."""
        head = self._first_bytes()
        if not head or self.is_web_page():
            return False
        return head.lstrip().startswith(_MAGIC_BYTES.get(Path(self.name).suffix, (b"",)))

    def is_web_page(self) -> bool:
        """Say whether the bytes look like HTML or XML."""
        return self._first_bytes().removeprefix(b"\xef\xbb\xbf").lstrip().lower().startswith(_PAGE_PREFIXES)

    def rename_to(self, path: Path) -> None:
        """Take the name `path`, the bytes on the disk before the name is."""
        with self.path.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(self.path, path)
        self.discard()
        fsync_folder(path.parent)

    def discard(self) -> None:
        """Forget what has arrived."""
        self.path.unlink(missing_ok=True)
        self._validator_path.unlink(missing_ok=True)

    def _first_bytes(self) -> bytes:
        with self.path.open("rb") as file:
            return file.read(256)
