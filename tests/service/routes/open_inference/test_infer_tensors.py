"""The numbers of a tensor, exactly or not at all: every datatype, as JSON and as bytes."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from graft.bundle.signature import TensorSpec
from graft.errors import BadRequest
from service.routes.open_inference.strict_json import as_object, parse_document
from service.routes.open_inference.tensors import DATATYPES, array_from_bytes, array_from_json, find_structure

MOST_FP32 = 2.0**128 - 2.0**104


def from_json(data: Any, dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """Read `data`, or JSON text of it."""
    text = data if isinstance(data, bytes) else json.dumps(data).encode()
    return array_from_json(
        parse_document(text), TensorSpec("x", dtype, shape), shape, find_structure(text, 1), "x.data"
    )


@pytest.mark.parametrize("dtype", DATATYPES)
@given(data=st.data())
def test_tensor_from_json_and_bytes_is_bit_identical(dtype: str, data: st.DataObject) -> None:
    floats = {"allow_nan": False, "allow_infinity": False} if dtype == "float32" else {}
    shapes = arrays.array_shapes(max_dims=4, max_side=5)
    given_ = data.draw(arrays.arrays(dtype, shapes, elements=arrays.from_dtype(np.dtype(dtype), **floats)))
    before = data.draw(st.binary(max_size=9))  # which leaves the numbers unaligned
    read = [
        from_json(given_.tolist(), dtype, given_.shape),
        from_json(given_.ravel().tolist(), dtype, given_.shape),
        array_from_bytes(
            before + given_.tobytes(), len(before), TensorSpec("x", dtype, given_.shape), given_.shape, "x"
        ),
    ]
    for one in read:
        assert (one.dtype, one.shape, one.tobytes()) == (given_.dtype, given_.shape, given_.tobytes())
        assert one.flags.aligned
        assert one.flags.c_contiguous


@pytest.mark.parametrize(
    ("dtype", "good", "bad"),
    [
        ("uint8", [0, 255], ["-1", "256", "0.5", "1e0", "true", "null", '"1"', "{}", "18446744073709551615"]),
        ("int32", [-(2**31), 2**31 - 1], [str(-(2**31) - 1), str(2**31), "-0.0", "1e3"]),
        ("int64", [-(2**63), 2**63 - 1], [str(2**63), "9007199254740993.0"]),
        ("float32", [-MOST_FP32, MOST_FP32, 1, 2**64 - 1], [str(2.0**128), "-1e39", "false", "null", '"nan"']),
    ],
)
def test_tensor_datatype_limits(dtype: str, good: list[Any], bad: list[str]) -> None:
    assert from_json(good, dtype, (len(good),)).tolist() == [np.dtype(dtype).type(one) for one in good]
    for one in bad:
        with pytest.raises(BadRequest, match=r"x\.data has .* at 2; .* are allowed"):
            from_json(f"[1, 2, {one}, 3]".encode(), dtype, (4,))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_raw_tensor_must_be_finite(value: float) -> None:
    raw = np.array([[1, 2], [3, value]], np.float32).tobytes()
    with pytest.raises(BadRequest, match=f"{value} at 3; finite numbers in the range of FP32"):
        array_from_bytes(raw, 0, TensorSpec("x", "float32", (-1, 2)), (2, 2), "x")


@given(shape=arrays.array_shapes(min_dims=2, max_dims=4, max_side=4), other=arrays.array_shapes(max_dims=4, max_side=4))
def test_tensor_list_is_flat_or_nested_by_its_shape(shape: tuple[int, ...], other: tuple[int, ...]) -> None:
    numbers = np.arange(np.prod(other)).reshape(other)
    if other == shape or other == (numbers.size,) == (np.prod(shape),):
        assert (from_json(numbers.tolist(), "int32", shape).ravel() == numbers.ravel()).all()
    else:
        with pytest.raises(BadRequest, match=r"numbers; the shape|not nested like the shape"):
            from_json(numbers.tolist(), "int32", shape)


@pytest.mark.parametrize("ragged", [[[1, 2], [3]], [[1], 2, 3], [1, 2, [3]], [[[1, 2, 3]]], [[1, 2, 3], []]])
def test_ragged_tensor_list_is_refused(ragged: list[Any]) -> None:
    with pytest.raises(BadRequest, match="not nested like the shape"):
        from_json(ragged, "int32", (1, 3))


def test_strict_json_documents_do_not_share_state() -> None:
    first = as_object(parse_document(b'{"a": [1, 2]}'), "it")
    second = as_object(parse_document(b'{"a": [3]}'), "it")
    assert (first["a"][1], second["a"][0]) == (2, 3)


def test_large_json_tensor_is_read() -> None:
    numbers = [12345] * (1 << 20)
    assert from_json(numbers, "int32", (1 << 20,)).sum() == sum(numbers)
