"""Tensors: JSON or raw bytes -> arrays. Numbers are converted exactly or refused: no rounding, no wrap-around."""

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
_SIMDJSON_TYPES: Final[Mapping[str, Literal["u", "i", "d"]]] = {"u": "u", "i": "i", "f": "d"}  # by NumPy's kind
_MAX_FP32: Final = float(np.nextafter(2.0**128 - 2.0**103, 0))  # the next double rounds to an infinite float32
_NON_STRUCTURAL_BYTES: Final = bytes(
    set(range(256)) - set(b"[],")
)  # every byte but those that give lists their structure


def array_from_json(
    value: JsonNode, tensor: TensorSpec, shape: TensorShape, structure: bytes | None, where: str
) -> NumberArray:
    """Read a JSON list of numbers, flat or nested like `shape`, in row-major order.

    `structure` is the result of `find_structure`: None if no list of the request can be nested.

    Raises:
        BadRequest: the numbers do not fit the tensor's dtype or `shape`.
    """
    data, dtype = as_array(value, where), np.dtype(tensor.dtype)
    try:
        wide = np.frombuffer(data.as_buffer(of_type=_SIMDJSON_TYPES[dtype.kind]), dtype.kind + "8")
    except (ValueError, TypeError):  # not of one kind, or beyond 64 bits
        raise _out_of_range_error(data, dtype, where) from None
    if len(wide) != prod(shape):
        raise BadRequest(f"{where} has {len(wide):,} numbers; the shape {list(shape)} needs {prod(shape):,}.")
    lowest, highest = _dtype_limits(dtype)
    if wide.min() < lowest or wide.max() > highest:
        raise _out_of_range_error(data, dtype, where)
    if structure is not None and not _has_shape(data, shape, structure):
        raise BadRequest(f"{where} is not nested like the shape {list(shape)}. Nest it so, or send one flat list.")
    return wide.astype(dtype).reshape(shape)


def array_from_bytes(body: bytes, start: int, tensor: TensorSpec, shape: TensorShape, where: str) -> NumberArray:
    """Return the tensor whose bytes begin at `start` of `body`: little-endian, row-major; not copied if aligned.

    Raises:
        BadRequest: a number is not finite.
    """
    dtype = np.dtype(tensor.dtype)
    raw = np.frombuffer(body, dtype.newbyteorder("<"), prod(shape), start)
    if dtype.kind == "f" and not (finite := np.isfinite(raw)).all():
        index = int(finite.argmin())
        raise BadRequest(f"{where} has {raw[index]} at {index:,}; {_describe_range(dtype)} are allowed.")
    return np.require(raw, dtype, ["A"]).reshape(shape)


def find_structure(text: bytes, max_lists: int) -> bytes | None:
    """Return the brackets and commas of a JSON text, or None if it has no more than `max_lists` lists.

    >>> find_structure(b'{"data": [[1, 2], [3, 4]]}', max_lists=1)
    b'[[,],[,]]'
    """
    return text.translate(None, _NON_STRUCTURAL_BYTES) if text.count(b"[") > max_lists else None


def _has_shape(data: Array, shape: TensorShape, structure: bytes) -> bool:
    """Return whether a list is flat or nested like `shape`, by the brackets and commas of the whole JSON.

    Another list in it may have that structure by chance: this finds mistakes, not attacks.
    """
    depth = 0
    one: JsonNode = data
    while isinstance(one, Array):
        depth, one = depth + 1, one[0] if len(one) else None
    return (depth == 1 and _shape_structure((prod(shape),)) in structure) or (
        depth == len(shape) and _shape_structure(shape) in structure
    )


def _shape_structure(shape: TensorShape) -> bytes:
    """Return the brackets and commas of a list nested like `shape`."""
    structure = b"[" + b"," * (shape[-1] - 1) + b"]"
    for length in shape[-2::-1]:
        structure = b"[" + b",".join([structure] * length) + b"]"
    return structure


def _dtype_limits(dtype: np.dtype[Any]) -> tuple[float, float]:
    """Return the lowest and the highest number that `dtype` can hold."""
    if dtype.kind == "f":
        return -_MAX_FP32, _MAX_FP32
    return int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)


def _out_of_range_error(data: Array, dtype: np.dtype[Any], where: str) -> BadRequest:
    """Return the error that names the first value that is not a number in the range of `dtype`."""
    lowest, highest = _dtype_limits(dtype)
    kinds = (int, float) if dtype.kind == "f" else (int,)
    wrong = (
        (index, one)
        for index, one in enumerate(_leaves(data))
        if type(one) not in kinds or not lowest <= one <= highest
    )
    index, value = next(wrong)
    return BadRequest(f"{where} has {describe_value(value)} at {index:,}; {_describe_range(dtype)} are allowed.")


def _describe_range(dtype: np.dtype[Any]) -> str:
    if dtype.kind == "f":
        return f"finite numbers in the range of {DATATYPES[dtype.name]}"
    limits = np.iinfo(dtype)
    return f"integers from {limits.min:,} to {limits.max:,}, without decimal point and exponent,"


def _leaves(data: Array) -> Iterator[Any]:
    """Yield the values of a nested list; without recursion, for it may be deep."""
    stack = [iter(data)]
    while stack:
        for one in stack[-1]:
            if isinstance(one, Array):
                stack.append(iter(one))
                break
            yield one
        else:
            stack.pop()
