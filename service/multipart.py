"""multipart/form-data, in memory: the body is capped already, nothing touches the disk."""

from __future__ import annotations

from typing import Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from zoo.errors import BadRequest

MAX_HEADERS: Final = 8  # of one part
MAX_HEADER: Final = 4096  # bytes


def files_in(content_type: str, body: bytes, max_parts: int) -> list[bytes]:
    """Return the contents of the parts of a multipart body, in their order, whatever they are called.

    Raises:
        BadRequest: it is malformed, empty, or has more than `max_parts` parts.
    """
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if not boundary:
        raise BadRequest("the content type multipart/form-data names no boundary; let your HTTP library set it.")
    parts: list[bytearray] = []
    ended: list[bool] = []

    def begin() -> None:
        if len(parts) == max_parts:
            raise BadRequest(f"the multipart body has more than {max_parts} parts. Send them in several requests.")
        parts.append(bytearray())

    def more(data: bytes, start: int, end: int) -> None:
        parts[-1] += memoryview(data)[start:end]

    try:
        parser = MultipartParser(
            boundary,
            {"on_part_begin": begin, "on_part_data": more, "on_end": lambda: ended.append(True)},
            max_header_count=MAX_HEADERS,
            max_header_size=MAX_HEADER,
        )
        parser.write(body)
        parser.finalize()
    except FormParserError as fault:
        raise BadRequest(f"the multipart body cannot be read ({fault}). It is truncated or malformed.") from None
    if not ended:
        raise BadRequest("the multipart body has no end: it is truncated. Send it again.")
    if not parts:
        raise BadRequest(
            "the multipart body has no part. Send each sample as one, such as curl -F image=@photo.jpg or "
            "curl -F text=@letter.txt."
        )
    return [bytes(part) for part in parts]
