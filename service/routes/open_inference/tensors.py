"""The numbers of one tensor: from JSON or from raw bytes to an array, exactly or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from simdjson import Array

from graft.bundle.signature import TensorSpec
from graft.errors import BadRequest
from service.routes.open_inference.strict_json import JsonNode, as_array, describe_value

NumberArray = NDArray[Any]
TensorShape = tuple[int, ...]

DATATYPES: Final[Mapping[str, str]] = {"uint8": "UINT8", "int32": "INT32", "int64": "INT64", "float32": "FP32"}
_SIMDJSON_TYPES: Final[Mapping[str, Literal["u", "i", "d"]]] = {
    "u": "u",
    "i": "i",
    "f": "d",
}  # NumPy's kinds, simdjson's
_MAX_FP32: Final = float(np.nextafter(2.0**128 - 2.0**103, 0))  # the next double rounds to an infinite float32
_NON_STRUCTURAL_BYTES: Final = bytes(set(range(256)) - set(b"[],"))  # every byte that says nothing of a list's form


def array_from_json(
    value: JsonNode, tensor: TensorSpec, shape: TensorShape, structure: bytes | None, where: str
) -> NumberArray:
    """Read numbers, flat or nested as `shape` has it, which must be in row-major order.

    `structure` are the brackets and commas of the whole text if a list may be nested in it.

    Raises:
        BadRequest: they do not fit; nothing is rounded and nothing wraps around.
    """
    data, dtype = as_array(value, where), np.dtype(tensor.dtype)
    try:
        wide = np.frombuffer(data.as_buffer(of_type=_SIMDJSON_TYPES[dtype.kind]), dtype.kind + "8")
    except (ValueError, TypeError):  # not of one kind, or beyond 64 bits
        raise _out_of_range_error(data, dtype, where) from None
    if len(wide) != prod(shape):
        raise BadRequest(f"{where} has {len(wide):,} numbers; the shape {list(shape)} makes {prod(shape):,}.")
    lowest, highest = _dtype_limits(dtype)
    if wide.min() < lowest or wide.max() > highest:
        raise _out_of_range_error(data, dtype, where)
    if structure is not None and not _has_shape(data, shape, structure):
        raise BadRequest(f"{where} is nested otherwise than the shape {list(shape)}. Send it so, or as one flat list.")
    return wide.astype(dtype).reshape(shape)


def array_from_bytes(body: bytes, start: int, tensor: TensorSpec, shape: TensorShape, where: str) -> NumberArray:
    """Read little-endian numbers in row-major order, which begin at `start` and are in `body`; not copied if aligned.

    Raises:
        BadRequest: one of them is not finite.
    """
    dtype = np.dtype(tensor.dtype)
    raw = np.frombuffer(body, dtype.newbyteorder("<"), prod(shape), start)
    if dtype.kind == "f" and not (finite := np.isfinite(raw)).all():
        at = int(finite.argmin())
        raise BadRequest(f"{where} has {raw[at]} at {at:,}; {_describe_range(dtype)} are allowed.")
    return np.require(raw, dtype, ["A"]).reshape(shape)


def find_structure(text: bytes, lists: int) -> bytes | None:
    """Return the brackets and commas of a JSON text, or None if it has no more than so many lists."""
    return text.translate(None, _NON_STRUCTURAL_BYTES) if text.count(b"[") > lists else None


def _has_shape(data: Array, shape: TensorShape, structure: bytes) -> bool:
    """Tell whether numbers are flat or nested as `shape` has it, by brackets and commas of all the JSON.

    Another list in it might have that form by chance: so this finds mistakes, no malice.
    """
    depth = 0
    one: JsonNode = data
    while isinstance(one, Array):
        depth, one = depth + 1, one[0] if len(one) else None
    return (depth == 1 and _shape_structure((prod(shape),)) in structure) or (
        depth == len(shape) and _shape_structure(shape) in structure
    )


def _shape_structure(shape: TensorShape) -> bytes:
    """Return the brackets and commas of a list nested as `shape` has it."""
    form = b"[" + b"," * (shape[-1] - 1) + b"]"
    for length in shape[-2::-1]:
        form = b"[" + b",".join([form] * length) + b"]"
    return form


def _dtype_limits(dtype: np.dtype[Any]) -> tuple[float, float]:
    """Return the least and the greatest number that `dtype` can hold."""
    if dtype.kind == "f":
        return -_MAX_FP32, _MAX_FP32
    return int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)


def _out_of_range_error(data: Array, dtype: np.dtype[Any], where: str) -> BadRequest:
    """Make the error that names the first value that is no number, or not in the range of `dtype`."""
    lowest, highest = _dtype_limits(dtype)
    kinds = (int, float) if dtype.kind == "f" else (int,)
    wrong = (
        (at, one) for at, one in enumerate(_leaves(data)) if type(one) not in kinds or not lowest <= one <= highest
    )
    at, value = next(wrong)
    return BadRequest(f"{where} has {describe_value(value)} at {at:,}; {_describe_range(dtype)} are allowed.")


def _describe_range(dtype: np.dtype[Any]) -> str:
    if dtype.kind == "f":
        return f"finite numbers that {DATATYPES[dtype.name]} can hold"
    limits = np.iinfo(dtype)
    return f"whole numbers from {limits.min:,} to {limits.max:,}, written without point and exponent,"


def _leaves(data: Array) -> Iterator[Any]:
    """Give what is in a list and in the lists in it; with no recursion, for it may be deep."""
    inside = [iter(data)]
    while inside:
        for one in inside[-1]:
            if isinstance(one, Array):
                inside.append(iter(one))
                break
            yield one
        else:
            inside.pop()
