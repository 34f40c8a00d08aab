"""TensorFlow Serving's JSON: {"instances": [{"b64": …}, …]} by rows, {"inputs": …} by columns."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any, Final, Literal, NoReturn

import numpy as np
from numpy.typing import NDArray

from service.model import Sample
from zoo.errors import BadRequest

Key = Literal["instances", "inputs"]
Json = Any  # what json.loads returns
WAYS: Final = (
    'Send {"instances": [{"b64": "<an image file in base64>"}]}, {"instances": [{"image": {"b64": …}}]}, '
    '{"inputs": {"image": [{"b64": …}]}}, or uint8 arrays [h][w][3] in place of {"b64": …}.'
)


def samples_in(body: bytes, input_name: str, max_samples: int) -> tuple[Key, list[Sample]]:
    """Return the key and the samples of a JSON body; `input_name` is what the model calls its input.

    Raises:
        BadRequest: it is no strict JSON, or not of that form; the message names the place.
    """
    facts = strict_json(body)
    if not isinstance(facts, dict) or ("instances" in facts) == ("inputs" in facts):
        raise BadRequest(f"the JSON must have exactly one of 'instances' and 'inputs'. {WAYS}")
    key: Key = "instances" if "instances" in facts else "inputs"
    rows = facts[key]
    if key == "inputs":  # one column: a list, or a single image
        column = _unnamed(rows, input_name, key)
        rows = [column] if isinstance(column, dict) else column
    if not isinstance(rows, list) or not rows:
        raise BadRequest(f"{key!r} must be a list of at least one image. {WAYS}")
    if len(rows) > max_samples:
        raise BadRequest(f"{key!r} has {len(rows)} images; allowed are {max_samples}. Send them in several requests.")
    return key, [_sample(_unnamed(row, input_name, f"{key}[{at}]"), f"{key}[{at}]") for at, row in enumerate(rows)]


def strict_json(body: bytes) -> Json:
    """Read RFC 8259 JSON: no NaN, no key twice, no nesting without end.

    Raises:
        BadRequest: it is none.
    """
    try:
        return json.loads(body, parse_constant=_no_constant, object_pairs_hook=_no_twins)
    except RecursionError:
        raise BadRequest("the JSON is nested too deeply.") from None
    except ValueError as fault:
        raise BadRequest(f"the body is no JSON ({fault}).") from None


def _unnamed(value: Json, input_name: str, where: str) -> Json:
    """Take the value out of {"image": value}; leave everything else."""
    if not isinstance(value, dict) or "b64" in value:
        return value
    if set(value) != {input_name}:
        names = ", ".join(map(repr, list(value)[:5])) or "none"
        raise BadRequest(f"{where} names the inputs {names}; the model has one, {input_name!r}. {WAYS}")
    return value[input_name]


def _sample(value: Json, where: str) -> Sample:
    if isinstance(value, list):
        return _pixels(value, where)
    if not isinstance(value, dict) or set(value) != {"b64"} or not isinstance(value["b64"], str):
        raise BadRequest(f"{where} is no image. {WAYS}")
    try:
        return base64.b64decode(value["b64"], validate=True)
    except (binascii.Error, ValueError) as fault:
        raise BadRequest(f"{where}.b64 is no base64 ({fault}).") from None


def _pixels(rows: list[Json], where: str) -> NDArray[np.uint8]:
    try:
        array = np.array(rows)
    except (ValueError, OverflowError, RecursionError) as fault:
        raise BadRequest(f"{where} is no array of numbers ({fault}).") from None
    if array.dtype.kind not in "iu" or array.min() < 0 or array.max() > 255:
        raise BadRequest(f"{where} must hold whole numbers from 0 to 255, as [h][w][3] or [h][w].")
    return array.astype(np.uint8)


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not allowed")


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    facts = dict(pairs)
    if len(facts) != len(pairs):
        raise ValueError("a key stands twice")
    return facts
