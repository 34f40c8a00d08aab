"""multipart/form-data, parsed in memory: the size of the body is limited already, and nothing is written to disk."""

from __future__ import annotations

from typing import Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from graft.errors import BadRequest
from service.limits.samples_per_request import check_sample_count

MAX_PART_HEADERS: Final = 8  # headers of one part
MAX_PART_HEADER_BYTES: Final = 4096  # bytes of one header


def parse_multipart(content_type: str, body: bytes, max_parts: int) -> list[bytes]:
    """Return the contents of the parts of a multipart body, in their order, whatever their names.

    Raises:
        BadRequest: it is malformed, empty, or has more than `max_parts` parts.
    """
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if not boundary:
        raise BadRequest("the content type multipart/form-data has no boundary; let your HTTP library set it.")
    parts: list[bytearray] = []
    ends: list[bool] = []

    def begin_part() -> None:
        check_sample_count(len(parts) + 1, max_parts, "the multipart body", "parts or more")
        parts.append(bytearray())

    def append_data(data: bytes, start: int, end: int) -> None:
        parts[-1] += memoryview(data)[start:end]

    try:
        parser = MultipartParser(
            boundary,
            {"on_part_begin": begin_part, "on_part_data": append_data, "on_end": lambda: ends.append(True)},
            max_header_count=MAX_PART_HEADERS,
            max_header_size=MAX_PART_HEADER_BYTES,
        )
        parser.write(body)
        parser.finalize()
    except FormParserError as fault:
        raise BadRequest(f"the multipart body cannot be parsed ({fault}): it is truncated or malformed.") from None
    if not ends:
        raise BadRequest("the multipart body has no closing boundary: it is truncated. Send it again.")
    if not parts:
        raise BadRequest(
            "the multipart body has no parts. Send each sample as a part, such as curl -F image=@photo.jpg or "
            "curl -F text=@letter.txt."
        )
    return [bytes(part) for part in parts]
