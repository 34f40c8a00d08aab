"""What a model takes, as the wire sees it: which bodies and which JSON values are its samples."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from graft.errors import BadRequest, NotText, WrongContentType
from graft.inputs.text_bytes import encode_text_sample

WireSample = bytes | NDArray[Any]  # a file or a text, uint8 pixels [h,w,3] or [h,w], int32 token ids [t]
JsonValue = Any  # what json.loads returns

GENERIC_CONTENT_TYPES: Final = ("", "application/octet-stream")  # bodies that are read as what the model takes
_UTF8_CHARSETS: Final = ("", "utf-8", "utf8", "us-ascii", "ascii")
_PAIR_EXAMPLE: Final = '["a text", "another"]'
_OTHER_CONTENT_TYPES: Final = "multipart/form-data and application/json"


class InputKind(Protocol):
    """One kind of sample."""

    @property
    def noun(self) -> str:
        """What one sample is called: "image", "text", "pair of texts"."""

    @property
    def plural(self) -> str:
        """What several are called."""

    @property
    def input_name(self) -> str:
        """What the input is called in JSON."""

    @property
    def json_usage(self) -> str:
        """How to write it in JSON, in words."""

    @property
    def curl_arguments(self) -> str:
        """How curl sends one."""

    def check_body(self, kind: str, charset: str, body: bytes) -> None:
        """Pass if a body of that content type is one sample.

        Raises:
            WrongContentType: it is something else.
            BadRequest: there is nothing in it.
        """

    def parse_json(self, value: JsonValue, where: str) -> WireSample:
        """Read one JSON value; `where` is named in errors.

        Raises:
            BadRequest: it is something else.
        """

    def is_single_sample(self, column: JsonValue) -> bool:
        """Tell whether what should be a column of samples is one sample alone."""


@dataclass(frozen=True, slots=True)
class ImageKind:
    """Image files, or their pixels; `input_name` is what the model calls its input."""

    input_name: str
    noun: Literal["image"] = "image"
    plural: Literal["images"] = "images"
    curl_arguments: Literal["-F image=@photo.jpg"] = "-F image=@photo.jpg"

    @property
    def json_usage(self) -> str:
        """How to write it in JSON, in words."""
        return (
            'Send {"instances": [{"b64": "<an image file in base64>"}]}, {"instances": [{"image": {"b64": …}}]}, '
            '{"inputs": {"image": [{"b64": …}]}}, or uint8 arrays [h][w][3] in place of {"b64": …}.'
        )

    def check_body(self, kind: str, charset: str, body: bytes) -> None:
        """Pass if a body of that content type is an image file, as far as that tells."""
        if kind not in GENERIC_CONTENT_TYPES and not kind.startswith("image/"):
            raise WrongContentType(
                f"a body of type {kind!r} cannot be read: the model takes images. Allowed are image/*, "
                f"application/octet-stream, {_OTHER_CONTENT_TYPES}; with curl use {self.curl_arguments}."
            )
        if not body:
            raise BadRequest(f"the body is empty. Send an image file, such as curl {self.curl_arguments}.")

    def parse_json(self, value: JsonValue, where: str) -> WireSample:
        """Read {"b64": …} or an array of pixels."""
        if isinstance(value, list):
            return _parse_pixels(value, where)
        if not isinstance(value, dict) or set(value) != {"b64"} or not isinstance(value["b64"], str):
            raise BadRequest(f"{where} is {_describe_json(value)}; the model takes images. {self.json_usage}")
        try:
            return base64.b64decode(value["b64"], validate=True)
        except (binascii.Error, ValueError) as fault:
            raise BadRequest(f"{where}.b64 is no base64 ({fault}).") from None

    def is_single_sample(self, column: JsonValue) -> bool:
        """Tell whether a column is one {"b64": …}."""
        return isinstance(column, dict)


@dataclass(frozen=True, slots=True)
class TextKind:
    """Texts, or pairs of them where `texts_per_sample` is 2: UTF-8, and a pair is a JSON list of two strings."""

    texts_per_sample: Literal[1, 2]
    input_name: Literal["text"] = "text"

    @property
    def noun(self) -> str:
        """What one sample is called."""
        return "text" if self.texts_per_sample == 1 else "pair of texts"

    @property
    def plural(self) -> str:
        """What several are called."""
        return "texts" if self.texts_per_sample == 1 else "pairs of texts"

    @property
    def json_usage(self) -> str:
        """How to write it in JSON, in words."""
        one = '"a text"' if self.texts_per_sample == 1 else _PAIR_EXAMPLE
        return f'Send {{"instances": [{one}, …]}}, {{"instances": [{{"text": {one}}}]}} or {{"inputs": [{one}, …]}}.'

    @property
    def curl_arguments(self) -> str:
        """How curl sends one."""
        return (
            f"-H 'Content-Type: text/plain' --data-binary '{'a text' if self.texts_per_sample == 1 else _PAIR_EXAMPLE}'"
        )

    def check_body(self, kind: str, charset: str, body: bytes) -> None:
        """Pass if a body of that content type is a text in UTF-8; an empty one is an empty text."""
        if kind not in GENERIC_CONTENT_TYPES and kind != "text/plain":
            raise WrongContentType(
                f"a body of type {kind!r} cannot be read: the model takes {self.plural}. "
                f"Allowed are text/plain in UTF-8, application/octet-stream, {_OTHER_CONTENT_TYPES}; "
                f"with curl use {self.curl_arguments}."
            )
        if charset not in _UTF8_CHARSETS:
            raise WrongContentType(f"a text in the charset {charset[:50]!r} is not taken. Send it in UTF-8.")

    def parse_json(self, value: JsonValue, where: str) -> WireSample:
        """Read a string, or a list of two where the model takes pairs."""
        texts = [value] if self.texts_per_sample == 1 else value
        if not (
            isinstance(texts, list)
            and len(texts) == self.texts_per_sample
            and all(isinstance(one, str) for one in texts)
        ):
            raise BadRequest(f"{where} is {_describe_json(value)}; the model takes a {self.noun}. {self.json_usage}")
        try:
            return encode_text_sample(*texts)
        except NotText as fault:
            raise NotText(f"{where}: {fault}") from None

    def is_single_sample(self, column: JsonValue) -> bool:
        """Tell whether a column is one text."""
        return self.texts_per_sample == 1 and isinstance(column, str)


def _describe_json(value: JsonValue) -> str:
    """Say in words what a JSON value is."""
    match value:
        case None | bool() | int() | float():
            return json.dumps(value)[:30]
        case str():
            return "a text"
        case {"b64": _}:
            return 'a file in base64 ({"b64": …})'
        case [str(), str()]:
            return "a pair of texts"
        case list():
            return f"a list of {len(value)}"
    return "an object"


def _parse_pixels(rows: list[JsonValue], where: str) -> NDArray[np.uint8]:
    try:
        array = np.array(rows)
    except (ValueError, OverflowError, RecursionError) as fault:
        raise BadRequest(f"{where} is no array of numbers ({fault}).") from None
    if array.dtype.kind not in "iu" or array.min() < 0 or array.max() > 255:
        raise BadRequest(f"{where} must hold whole numbers from 0 to 255, as [h][w][3] or [h][w]; it is no image so.")
    return array.astype(np.uint8)
