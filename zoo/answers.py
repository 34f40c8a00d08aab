"""What the headers of a server's answer say of a file: which version it is, how long, and whether it goes on."""

from __future__ import annotations

from collections.abc import Mapping

ResponseHeaders = Mapping[str, str]  # by their names in lower case


def is_continuation(headers: ResponseHeaders, offset: int, expected_validator: str | None) -> bool:
    """Say whether a 206 is the rest of the very file that a part of `offset` bytes begins; `expected_validator` is its validator."""
    is_at_offset = headers.get("content-range", "").startswith(f"bytes {offset}-")
    return is_at_offset and offset > 0 and response_validator(headers) in (expected_validator, None)


def response_validator(headers: ResponseHeaders) -> str | None:
    """Return what names this version of the file: a strong ETag, else the date of its last change."""
    etag = headers.get("etag", "")
    return etag if etag and not etag.startswith("W/") else headers.get("last-modified")


def total_file_bytes(headers: ResponseHeaders, status: int) -> int | None:
    """Return how many bytes the whole file has, where the server says so."""
    value = headers.get("content-length", "") if status == 200 else headers.get("content-range", "").rpartition("/")[2]
    return int(value) if value.isdigit() else None
