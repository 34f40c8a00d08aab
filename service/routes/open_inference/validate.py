"""Validate tensors before anything is queued: names, datatypes and shapes of the signature, ids of a vocabulary."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Final

import numpy as np

from graft.bundle.signature import TensorSpec
from graft.errors import BadRequest, TextTooLong
from graft.inputs.open_input import BatchArrays
from graft.inputs.text import TextInput
from service.limits.samples_per_request import check_sample_count, check_token_count
from service.models.model import Model
from service.routes.open_inference.strict_json import JsonNode, as_array, describe_value, quote_names
from service.routes.open_inference.tensors import DATATYPES, NumberArray, TensorShape

_BINARY_INPUTS: Final = ("padding_mask", "segment_ids")  # of 0 and 1 only


def check_datatype(value: JsonNode, tensor: TensorSpec, where: str) -> None:
    """Check that a datatype is the signature's.

    Raises:
        BadRequest: it is another one.
    """
    if value != DATATYPES[tensor.dtype]:
        raise BadRequest(
            f"{where} has the datatype {describe_value(value)}; the model takes {_describe_tensor(tensor)}."
        )


def parse_shape(value: JsonNode, tensor: TensorSpec, where: str) -> TensorShape:
    """Parse a shape that fits the signature's; the size of a variable axis is at least 1.

    Raises:
        BadRequest: it does not fit.
    """
    sizes = as_array(value, f"{where}.shape")
    rank = len(tensor.shape)
    shape = [size for size in sizes if type(size) is int] if len(sizes) == rank else []
    if len(shape) != rank or not all(map(_fits_axis, shape, tensor.shape)):
        quoted = f"[{', '.join(map(describe_value, sizes[:8]))}{', …' if len(sizes) > 8 else ''}]"
        raise BadRequest(
            f"{where} has the shape {quoted}; the model takes {_describe_tensor(tensor)}, where -1 is 1 or more."
        )
    return tuple(shape)


def check_shapes(shapes: Mapping[str, TensorShape], model: Model, max_rows: int, max_tokens: int) -> None:
    """Check that all inputs are there, have equally many rows, and are within the limits of one request.

    Each of `shapes` fits the signature already.

    Raises:
        BadRequest: an input is missing, or the shapes contradict each other or exceed `max_rows` or `max_tokens`.
        TextTooLong: a text has more tokens than the model takes.
    """
    missing = [tensor.name for tensor in model.manifest.signature.inputs if tensor.name not in shapes]
    if missing:
        raise BadRequest(f"{quote_names(missing)} missing in 'inputs'. {_describe_inputs(model)}")
    rows = {name: shape[0] for name, shape in shapes.items()}
    if len(set(rows.values())) > 1:
        raise BadRequest(f"the inputs differ in their first axis: {rows}. Send the same number of rows in each.")
    check_sample_count(next(iter(rows.values())), max_rows, "each input", "rows")
    if isinstance(model.inputs, TextInput):
        _check_token_shapes(shapes, model.inputs, max_tokens)


def check_values(arrays: BatchArrays, model: Model) -> None:
    """Check that a text's numbers are ids of the vocabulary, and 0 or 1 in masks.

    Raises:
        BadRequest: they are not; the message names the place.
    """
    if not isinstance(model.inputs, TextInput):
        return
    for name, numbers in arrays.items():
        if name == "token_ids":
            _check_range(name, numbers, model.inputs.vocabulary_size - 1)
        elif name in _BINARY_INPUTS:
            _check_range(name, numbers, 1)
    mask = arrays.get("padding_mask")
    if mask is not None and not (has_tokens := mask.any(axis=1)).all():
        raise BadRequest(f"'padding_mask' has only 0 in row {int(has_tokens.argmin())}: the text has no token.")


def _fits_axis(size: int, axis: int) -> bool:
    return size >= 1 and axis in (-1, size)


def _check_token_shapes(shapes: Mapping[str, TensorShape], inputs: TextInput, max_tokens: int) -> None:
    """Check that the shapes [n,t] of a text model's inputs are equal and within the limits."""
    if len(set(shapes.values())) > 1:
        shape_lists = {name: list(shape) for name, shape in shapes.items()}
        raise BadRequest(f"the inputs of a text must have the same shape, and have {shape_lists}.")
    shape = next(iter(shapes.values()))
    if shape[-1] > inputs.max_tokens:
        raise TextTooLong(f"the texts have {shape[-1]:,} tokens; the model takes {inputs.max_tokens:,} of each.")
    check_token_count(prod(shape), max_tokens)


def _check_range(name: str, numbers: NumberArray, last: int) -> None:
    wrong = (numbers < 0) | (numbers > last)
    if wrong.any():
        place = [int(index) for index in np.unravel_index(int(wrong.argmax()), wrong.shape)]
        raise BadRequest(f"{name!r} has {numbers[tuple(place)]} at {place}; allowed are 0 to {last:,}.")


def _describe_tensor(tensor: TensorSpec) -> str:
    return f"{DATATYPES[tensor.dtype]} {list(tensor.shape)}"


def _describe_inputs(model: Model) -> str:
    """Describe the inputs of a model, for an error."""
    each = (f"{tensor.name!r} {_describe_tensor(tensor)}" for tensor in model.manifest.signature.inputs)
    return f"The model {model.name!r} takes {' and '.join(each)}."
