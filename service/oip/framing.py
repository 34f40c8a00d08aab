"""How a request's bytes are divided: JSON alone, JSON with raw tensors behind it, or one raw tensor."""

from __future__ import annotations

from typing import Final

from service.bodies import is_json_body
from service.takes import GENERIC_CONTENT_TYPES
from zoo.errors import BadRequest, WrongContentType

JSON_LENGTH_HEADER: Final = "Inference-Header-Content-Length"  # how many bytes of JSON come before the raw tensors
_MAX_INLINE_JSON_BYTES: Final = 16 << 10  # bytes of JSON that are read sooner than a thread would begin
_MAX_INLINE_BODY_BYTES: Final = 1 << 20  # bytes in all


def check_content_type(content_type: str, body: bytes) -> None:
    """Pass if a body may be a request; raw tensors come as application/octet-stream, or without a type.

    Raises:
        WrongContentType: it is something else.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type not in GENERIC_CONTENT_TYPES and not is_json_body(content_type, body):
        raise WrongContentType(
            f"a body of type {media_type[:50]!r} cannot be read here. Send application/json, or application/octet-stream "
            f"with {JSON_LENGTH_HEADER}."
        )


def is_quick_to_parse(body: bytes, header_length: str | None) -> bool:
    """Tell whether to read a request at once, on the event loop: nearly all of it is raw, or it is small."""
    text = len(body) if header_length is None else find_raw_offset(body, header_length) or 0
    return text <= _MAX_INLINE_JSON_BYTES and len(body) <= _MAX_INLINE_BODY_BYTES


def find_raw_offset(body: bytes, header_length: str | None) -> int | None:
    """Return where the raw tensors begin, which is 0 if the body is one of them; None if all is JSON.

    Raises:
        BadRequest: there is no body, or `header_length` is no number of bytes in it.
    """
    if not body:
        raise BadRequest('the body is empty. Send {"inputs": [{"name": …, "shape": …, "datatype": …, "data": …}]}.')
    if header_length is None:
        return None
    if not (header_length.isascii() and header_length.isdigit() and len(header_length) < 20):
        raise BadRequest(f"the header {JSON_LENGTH_HEADER} must be a number of bytes, and is {header_length[:50]!r}.")
    if (start := int(header_length)) > len(body):
        raise BadRequest(f"the header {JSON_LENGTH_HEADER} tells of {start:,} bytes; the body has {len(body):,}.")
    return start
