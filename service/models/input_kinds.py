"""Kinds of input on the wire, images and texts: what JSON values are samples, and the words for them in messages."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from graft.errors import BadRequest, NotText
from graft.inputs.text_bytes import encode_text_sample

WireSample = bytes | NDArray[Any]  # a file or a text; pixels uint8 [h,w,3] or [h,w]; token ids int32 [t]
JsonValue = Any  # what json.loads returns

GENERIC_CONTENT_TYPES: Final = ("", "application/octet-stream")  # of bodies that are taken for what the model takes
_PAIR_EXAMPLE: Final = '["a text", "another"]'


class InputKind(Protocol):
    """One kind of input."""

    @property
    def noun(self) -> str:
        """The word for one sample: "image", "text", "pair of texts"."""

    @property
    def plural(self) -> str:
        """The word for several."""

    @property
    def input_name(self) -> str:
        """The name of the input in JSON."""

    @property
    def json_usage(self) -> str:
        """How to write samples in JSON, for messages."""

    @property
    def curl_arguments(self) -> str:
        """The arguments with which curl sends one sample."""

    def parse_json(self, value: JsonValue, where: str) -> WireSample:
        """Parse one sample from JSON; errors name `where` it is.

        Raises:
            BadRequest: it is something else.
        """

    def is_single_sample(self, column: JsonValue) -> bool:
        """Return whether a value in place of a list of samples is one sample."""


@dataclass(frozen=True, slots=True)
class ImageKind:
    """Image files or pixels; `input_name` is the model's name for its input."""

    input_name: str
    noun: Literal["image"] = "image"
    plural: Literal["images"] = "images"
    curl_arguments: Literal["-F image=@photo.jpg"] = "-F image=@photo.jpg"

    @property
    def json_usage(self) -> str:
        """How to write samples in JSON, for messages."""
        return (
            'Send {"instances": [{"b64": "<an image file in base64>"}]}, {"instances": [{"image": {"b64": …}}]}, '
            '{"inputs": {"image": [{"b64": …}]}}, or uint8 arrays [h][w][3] in place of {"b64": …}.'
        )

    def parse_json(self, value: JsonValue, where: str) -> WireSample:
        """Parse {"b64": …} or an array of pixels, [h][w][3] or [h][w].

        >>> ImageKind("image").parse_json({"b64": "aGVsbG8="}, "instances[0]")
        b'hello'
        """
        if isinstance(value, list):
            return _parse_pixels(value, where)
        if not isinstance(value, dict) or set(value) != {"b64"} or not isinstance(value["b64"], str):
            raise BadRequest(f"{where} is {_describe_json(value)}; the model takes images. {self.json_usage}")
        try:
            return base64.b64decode(value["b64"], validate=True)
        except (binascii.Error, ValueError) as fault:
            raise BadRequest(f"{where}.b64 is not valid base64 ({fault}).") from None

    def is_single_sample(self, column: JsonValue) -> bool:
        """Return whether a value is one {"b64": …}."""
        return isinstance(column, dict)


@dataclass(frozen=True, slots=True)
class TextKind:
    """Texts in UTF-8, or pairs of texts if `texts_per_sample` is 2: a JSON list of two strings."""

    texts_per_sample: Literal[1, 2]
    input_name: Literal["text"] = "text"

    @property
    def noun(self) -> str:
        """The word for one sample."""
        return "text" if self.texts_per_sample == 1 else "pair of texts"

    @property
    def plural(self) -> str:
        """The word for several."""
        return "texts" if self.texts_per_sample == 1 else "pairs of texts"

    @property
    def json_usage(self) -> str:
        """How to write samples in JSON, for messages."""
        one = '"a text"' if self.texts_per_sample == 1 else _PAIR_EXAMPLE
        return f'Send {{"instances": [{one}, …]}}, {{"instances": [{{"text": {one}}}]}} or {{"inputs": [{one}, …]}}.'

    @property
    def curl_arguments(self) -> str:
        """The arguments with which curl sends one sample."""
        return (
            f"-H 'Content-Type: text/plain' --data-binary '{'a text' if self.texts_per_sample == 1 else _PAIR_EXAMPLE}'"
        )

    def parse_json(self, value: JsonValue, where: str) -> WireSample:
        """Parse a string, or a list of two if the model takes pairs."""
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
        """Return whether a value is one text."""
        return self.texts_per_sample == 1 and isinstance(column, str)


def _describe_json(value: JsonValue) -> str:
    """Describe a JSON value in a few words, for an error."""
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
    """Return an array of JSON as uint8, of any shape."""
    try:
        array = np.array(rows)
    except (ValueError, OverflowError, RecursionError) as fault:
        raise BadRequest(f"{where} is not an array of numbers ({fault}).") from None
    if array.dtype.kind not in "iu" or array.min() < 0 or array.max() > 255:
        raise BadRequest(f"{where} must be integers in 0–255 with shape [h][w][3] or [h][w].")
    return array.astype(np.uint8)
