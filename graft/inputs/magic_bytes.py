"""Detect a file format by its first bytes (magic bytes), never by its name and without decoding."""

from __future__ import annotations

from typing import Final

# (offset, bytes, name of the format)
MAGIC_BYTES: Final = (
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (8, b"WEBP", "WEBP"),
    (0, b"BM", "BMP"),
    (0, b"GIF8", "GIF"),
    (4, b"ftyphei", "HEIC"),
    (4, b"ftyphev", "HEIC"),
    (4, b"ftypmif1", "HEIF"),
    (4, b"ftypmsf1", "HEIF"),
    (4, b"ftypavi", "AVIF"),
    (4, b"ftyp", "MP4 or another video"),
    (4, b"jP  ", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (0, b"\xff\x0a", "JPEG XL"),
    (4, b"JXL ", "JPEG XL"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (0, b"8BPS", "PSD"),
    (0, b"\0\0\1\0", "ICO"),
    (0, b"%PDF", "PDF"),
    (0, b"PK\3\4", "ZIP"),
    (0, b"<svg", "SVG"),
    (0, b"<?xml", "XML or SVG"),
    (0, b"<!DOCTYPE", "HTML"),
    (0, b"<html", "HTML"),
)


def sniff_format(data: bytes) -> str | None:
    """Return the format of a file by its first bytes, such as "JPEG" or "HEIC"; None if it is unknown.

    >>> sniff_format(b"GIF89a")
    'GIF'
    """
    first_bytes = data[:64].lstrip() if data[:64].lstrip()[:1] == b"<" else data[:64]
    for offset, magic, name in MAGIC_BYTES:
        if first_bytes[offset : offset + len(magic)].lower() == magic.lower():
            return name
    return None


def describe_bytes(data: bytes) -> str:
    """Describe, for an error message, what bytes that are not a supported image seem to be."""
    if not data:
        return "an empty file"
    if format_ := sniff_format(data):
        return f"{format_}, which is not supported"
    return "text" if data[:256].isascii() and b"\0" not in data[:256] else "not in a known image format"


def read_webp_size(data: bytes) -> tuple[int, int]:
    """Return the width and height in pixels from a WebP header; (0, 0) if it is truncated."""
    kind, body = data[12:16], data[20:30]
    if len(body) < 10:
        return 0, 0
    if kind == b"VP8X":
        return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1
    if kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF
