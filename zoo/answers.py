"""What the headers of a server's answer say of a file: which version it is, how long, and whether it goes on."""

from __future__ import annotations

from collections.abc import Mapping

Headers = Mapping[str, str]  # by their names in lower case


def continues(headers: Headers, have: int, wanted: str | None) -> bool:
    """Say whether a 206 is the rest of the very file that a part of `have` bytes begins; `wanted` is its validator."""
    begins = headers.get("content-range", "").startswith(f"bytes {have}-")
    return begins and have > 0 and validator(headers) in (wanted, None)


def validator(headers: Headers) -> str | None:
    """Return what names this version of the file: a strong ETag, else the date of its last change."""
    etag = headers.get("etag", "")
    return etag if etag and not etag.startswith("W/") else headers.get("last-modified")


def total(headers: Headers, status: int) -> int | None:
    """Return how many bytes the whole file has, where the server says so."""
    said = headers.get("content-length", "") if status == 200 else headers.get("content-range", "").rpartition("/")[2]
    return int(said) if said.isdigit() else None
