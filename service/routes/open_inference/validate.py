"""What tensors must be before anything is queued: the signature's names, datatypes and shapes, and a text's rules."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Final

import numpy as np

from graft.bundle.signature import TensorSpec
from graft.errors import BadRequest, TextTooLong
from graft.inputs.open_input import BatchArrays
from graft.inputs.text import TextInput
from service.models.model import Model
from service.routes.open_inference.strict_json import JsonNode, as_array, describe_value, quote_names
from service.routes.open_inference.tensors import DATATYPES, NumberArray, TensorShape

_BINARY_INPUTS: Final = ("padding_mask", "segment_ids")  # which hold nothing but 0 and 1


def check_datatype(value: JsonNode, tensor: TensorSpec, where: str) -> None:
    """Pass if a datatype is the signature's.

    Raises:
        BadRequest: it is another one.
    """
    if value != DATATYPES[tensor.dtype]:
        raise BadRequest(
            f"{where} has the datatype {describe_value(value)}; the model takes {_describe_tensor(tensor)}."
        )


def parse_shape(value: JsonNode, tensor: TensorSpec, where: str) -> TensorShape:
    """Read a shape that fits the signature's; an axis that may vary has at least 1.

    Raises:
        BadRequest: it does not fit.
    """
    sizes = as_array(value, f"{where}.shape")
    rank = len(tensor.shape)
    found = [size for size in sizes if type(size) is int] if len(sizes) == rank else []
    if len(found) != rank or not all(map(_fits_axis, found, tensor.shape)):
        came = f"[{', '.join(map(describe_value, sizes[:8]))}{', …' if len(sizes) > 8 else ''}]"
        raise BadRequest(
            f"{where} has the shape {came}; the model takes {_describe_tensor(tensor)}, where -1 is 1 or more."
        )
    return tuple(found)


def check_shapes(shapes: Mapping[str, TensorShape], model: Model, max_rows: int, max_tokens: int) -> None:
    """Pass if the shapes of all inputs, which each fit the signature, belong together and are not too large.

    Raises:
        BadRequest: they do not, or they are more than one request may hold.
        TextTooLong: they are more tokens than the model takes of one text.
    """
    missing = [tensor.name for tensor in model.manifest.signature.inputs if tensor.name not in shapes]
    if missing:
        raise BadRequest(f"'inputs' lacks {quote_names(missing)}. {_describe_inputs(model)}")
    rows = {name: shape[0] for name, shape in shapes.items()}
    if len(set(rows.values())) > 1:
        raise BadRequest(f"the inputs differ in their first axis: {rows}. Send as many rows in each.")
    if (count := next(iter(rows.values()))) > max_rows:
        raise BadRequest(f"the inputs have {count:,} rows; allowed are {max_rows:,}. Send them in several requests.")
    if isinstance(model.inputs, TextInput):
        _check_token_shapes(shapes, model.inputs, max_tokens)


def check_values(arrays: BatchArrays, model: Model) -> None:
    """Pass if the numbers are what the model was trained to read: ids of its vocabulary, flags of 0 and 1.

    Raises:
        BadRequest: they are something else; the message names the place.
    """
    if not isinstance(model.inputs, TextInput):
        return
    for name, numbers in arrays.items():
        if name == "token_ids":
            _check_range(name, numbers, model.inputs.vocabulary_size - 1)
        elif name in _BINARY_INPUTS:
            _check_range(name, numbers, 1)
    mask = arrays.get("padding_mask")
    if mask is not None and not (read := mask.any(axis=1)).all():
        raise BadRequest(f"'padding_mask' has nothing but 0 in row {int(read.argmin())}: there is nothing to read.")


def _fits_axis(size: int, axis: int) -> bool:
    return size >= 1 and axis in (-1, size)


def _check_token_shapes(shapes: Mapping[str, TensorShape], inputs: TextInput, max_tokens: int) -> None:
    """Hold the shapes [n,t] of a text model's inputs against each other and against the limits."""
    if len(set(shapes.values())) > 1:
        shape_lists = {name: list(shape) for name, shape in shapes.items()}
        raise BadRequest(f"the inputs of a text must have the same shape, and have {shape_lists}.")
    shape = next(iter(shapes.values()))
    if shape[-1] > inputs.max_tokens:
        raise TextTooLong(f"the texts have {shape[-1]:,} tokens; the model takes {inputs.max_tokens:,} of each.")
    if prod(shape) > max_tokens:
        raise BadRequest(
            f"the inputs have {prod(shape):,} tokens; one request may have {max_tokens:,}. Send several requests."
        )


def _check_range(name: str, numbers: NumberArray, last: int) -> None:
    wrong = (numbers < 0) | (numbers > last)
    if wrong.any():
        place = [int(at) for at in np.unravel_index(int(wrong.argmax()), wrong.shape)]
        raise BadRequest(f"{name!r} has {numbers[tuple(place)]} at {place}; allowed are 0 to {last:,}.")


def _describe_tensor(tensor: TensorSpec) -> str:
    return f"{DATATYPES[tensor.dtype]} {list(tensor.shape)}"


def _describe_inputs(model: Model) -> str:
    """Say in words what a model takes."""
    each = (f"{tensor.name!r} {_describe_tensor(tensor)}" for tensor in model.manifest.signature.inputs)
    return f"The model {model.name!r} takes {' and '.join(each)}."
