"""Text samples as bytes: a text is its UTF-8, a pair of texts is a JSON list of two strings.

The model decides which of the two a sample is: a text that looks like JSON is never read as a pair. Standard library
only, so that the client and the data sets write samples without a tokenizer.
"""

from __future__ import annotations

import json
from typing import Literal

from graft.errors import NotText


def encode_text_sample(*texts: str) -> bytes:
    """Return the bytes of a sample of one text or two.

    >>> encode_text_sample("a text", "another")
    b'["a text", "another"]'


    Raises:
        NotText: a string has a lone surrogate, which UTF-8 cannot encode.
    """
    try:
        return (texts[0] if len(texts) == 1 else json.dumps(texts, ensure_ascii=False)).encode()
    except UnicodeEncodeError as fault:
        raise _lone_surrogate_error(fault.start) from None


def decode_text_sample(data: bytes, text_count: Literal[1, 2]) -> tuple[str, ...]:
    """Return the one or two texts of a sample that `encode_text_sample` wrote.

    Raises:
        NotText: not UTF-8, or not a pair although `text_count` is 2.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError as fault:
        if data[fault.start] == 0xED and data[fault.start + 1 : fault.start + 2] >= b"\xa0":  # U+D800 to U+DFFF
            raise _lone_surrogate_error(fault.start) from None
        raise NotText(
            f"these {len(data):,} bytes are not UTF-8 text: {fault.reason} at byte {fault.start:,} "
            f"(0x{data[fault.start]:02x}). Save the text as UTF-8."
        ) from None
    return (text,) if text_count == 1 else _decode_pair(text)


def _decode_pair(text: str) -> tuple[str, str]:
    try:
        match json.loads(text):
            case [str(first), str(second)]:
                encode_text_sample(first, second)  # JSON's \ud800 would add a lone surrogate
                return first, second
    except (ValueError, RecursionError):
        pass
    raise NotText('the model takes pairs of texts; a sample is a JSON list of two strings: ["a text", "another"].')


def _lone_surrogate_error(position: int) -> NotText:
    return NotText(
        f"there is a lone surrogate at position {position:,}: half a character, which UTF-8 cannot encode. Remove it."
    )
