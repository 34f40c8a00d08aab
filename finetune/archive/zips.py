"""The entries of a zip file."""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path
from typing import Final

from finetune.archive.unpacking import SafeExtractor

ENCRYPTED_FLAG: Final = 0x1  # a flag of an entry
# LZMA is not among them: an entry may ask for a dictionary of 4 GB.
ALLOWED_COMPRESSION: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)


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
