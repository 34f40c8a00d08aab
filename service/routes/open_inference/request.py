"""Infer requests: body -> validated tensors, and the requested outputs.

A body is JSON alone, JSON followed by raw tensors, or one raw tensor.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Final, Self

import numpy as np
from simdjson import Object

from graft.bundle.signature import TensorSpec
from graft.errors import BadRequest, WrongContentType
from graft.inputs.open_input import BatchArrays
from service.models.input_kinds import GENERIC_CONTENT_TYPES
from service.models.model import Model
from service.routes.open_inference.strict_json import (
    JsonNode,
    as_array,
    as_bool,
    as_object,
    describe_value,
    get_parameters,
    parse_document,
    quote_names,
)
from service.routes.open_inference.tensors import (
    NumberArray,
    TensorShape,
    array_from_bytes,
    array_from_json,
    find_structure,
)
from service.routes.open_inference.validate import check_datatype, check_shapes, check_values, parse_shape
from service.routes.samples_from_body import is_json_body

JSON_LENGTH_HEADER: Final = "Inference-Header-Content-Length"  # bytes of JSON before the raw tensors
# Bodies up to these sizes are parsed on the event loop: faster than handing them to a thread.
_MAX_INLINE_JSON_BYTES: Final = 16 << 10
_MAX_INLINE_BODY_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class OutputRequest:
    """A requested output, raw or in JSON."""

    name: str
    is_raw: bool


@dataclass(frozen=True, slots=True)
class InferRequest:
    """A validated request: `arrays` are what the model's signature says."""

    id: str | None
    arrays: BatchArrays
    outputs: tuple[OutputRequest, ...]

    @classmethod
    def from_body(cls, body: bytes, header_length: str | None, model: Model, max_rows: int, max_tokens: int) -> Self:
        """Parse a request of at most `max_rows` rows and, for texts, `max_tokens` tokens.

        `header_length` is the value of the header JSON_LENGTH_HEADER. None: the body is JSON; "0": one raw tensor.

        Raises:
            BadRequest: it does not fit the model; the message names what is expected and what was received.
            TextTooLong: a text has more tokens than the model takes.
        """
        start = find_raw_offset(body, header_length)
        if start == 0:
            return cls(
                None,
                _parse_raw_body(body, model, max_rows),
                tuple(OutputRequest(name, True) for name in _output_names(model)),
            )
        text = body if start is None else body[:start]
        request = as_object(parse_document(text), "the request")
        id_ = request.get("id")
        if not isinstance(id_, str | None):
            raise BadRequest(f"'id' must be a string, but is {describe_value(id_)}.")
        outputs = _parse_outputs(request, model)
        inputs = _parse_inputs(request, model)
        check_shapes({one.tensor.name: one.shape for one in inputs}, model, max_rows, max_tokens)
        flat_lists = 1 + 2 * len(inputs) + ("outputs" in request)  # of a request whose numbers are not nested
        arrays = _read_arrays(inputs, body, len(text), find_structure(text, flat_lists))
        check_values(arrays, model)
        return cls(id_, arrays, outputs)


@dataclass(frozen=True, slots=True)
class _InputTensor:
    """One input of a request: `size` raw bytes after the JSON, or else `data` in it."""

    tensor: TensorSpec
    shape: TensorShape
    data: JsonNode
    size: int | None
    where: str

    @classmethod
    def from_json(cls, facts: Object, tensor: TensorSpec, where: str) -> Self:
        """Parse all but the numbers; errors name `where` the input is."""
        check_datatype(facts.get("datatype"), tensor, where)
        shape = parse_shape(facts.get("shape"), tensor, where)
        size, data = get_parameters(facts, where).get("binary_data_size"), facts.get("data")
        if (size is None) == (data is None):
            raise BadRequest(f"{where} must have exactly one of 'data' and 'parameters.binary_data_size'.")
        expected_bytes = prod(shape) * np.dtype(tensor.dtype).itemsize
        if size is not None and not (type(size) is int and size == expected_bytes):
            raise BadRequest(
                f"{where} has a 'binary_data_size' of {describe_value(size)}; the shape {list(shape)} needs "
                f"{expected_bytes:,}."
            )
        return cls(tensor, shape, data, expected_bytes if size is not None else None, where)


def _parse_raw_body(body: bytes, model: Model, max_rows: int) -> BatchArrays:
    """Parse a body that is one raw tensor, of a model with one input of fixed size; the rows follow from its length."""
    tensor, *others = model.manifest.signature.inputs
    if others or -1 in tensor.shape[1:]:
        raise BadRequest(
            f"a body that is one raw tensor needs a model with one input of fixed size, which {model.name!r} does not "
            f"have. Send JSON first, and its length in {JSON_LENGTH_HEADER}."
        )
    row_bytes = prod(tensor.shape[1:]) * np.dtype(tensor.dtype).itemsize
    if len(body) % row_bytes:
        raise BadRequest(
            f"the body has {len(body):,} bytes; a row of {tensor.name!r} {list(tensor.shape)} has {row_bytes:,}."
        )
    shape = (len(body) // row_bytes, *tensor.shape[1:])
    check_shapes({tensor.name: shape}, model, max_rows, 0)
    return {tensor.name: array_from_bytes(body, 0, tensor, shape, "the body")}


def _parse_inputs(request: Object, model: Model) -> list[_InputTensor]:
    """Parse the inputs, all but their numbers."""
    tensors = {tensor.name: tensor for tensor in model.manifest.signature.inputs}
    inputs: dict[str, _InputTensor] = {}
    for index, one in enumerate(as_array(request.get("inputs"), "'inputs'")):
        facts = as_object(one, f"inputs[{index}]")
        name = facts.get("name")
        if not isinstance(name, str) or name not in tensors:
            raise BadRequest(
                f"inputs[{index}] is named {describe_value(name)}; the model {model.name!r} takes "
                f"{quote_names([*tensors])}."
            )
        if name in inputs:
            raise BadRequest(f"inputs[{index}] is named {name!r}, as {inputs[name].where} is. Send it once.")
        inputs[name] = _InputTensor.from_json(facts, tensors[name], f"inputs[{index}] {name!r}")
    return list(inputs.values())


def _read_arrays(
    inputs: list[_InputTensor], body: bytes, start: int, structure: bytes | None
) -> dict[str, NumberArray]:
    """Read the numbers; raw tensors begin at `start` of the body, one after the other, up to its end."""
    expected_bytes = sum(one.size or 0 for one in inputs)
    if start + expected_bytes != len(body):
        raise BadRequest(
            f"after the JSON there are {len(body) - start:,} bytes; the inputs' 'binary_data_size' add up to "
            f"{expected_bytes:,}. The header {JSON_LENGTH_HEADER} must be the length of the JSON."
        )
    arrays: dict[str, NumberArray] = {}
    for one in inputs:
        if one.size is None:
            arrays[one.tensor.name] = array_from_json(one.data, one.tensor, one.shape, structure, f"{one.where}.data")
        else:
            arrays[one.tensor.name] = array_from_bytes(body, start, one.tensor, one.shape, one.where)
            start += one.size
    return arrays


def _parse_outputs(request: Object, model: Model) -> tuple[OutputRequest, ...]:
    """Parse the requested outputs: all, unless the request names some."""
    raw = get_parameters(request, "the request").get("binary_data_output")
    all_raw = as_bool(raw, "parameters.binary_data_output", default=False)
    value = request.get("outputs")
    output_list = [] if value is None else as_array(value, "'outputs'")
    names = _output_names(model)
    requests: dict[str, OutputRequest] = {}
    for index, one in enumerate(output_list):
        facts = as_object(one, f"outputs[{index}]")
        name, parameters = facts.get("name"), get_parameters(facts, f"outputs[{index}]")
        if not isinstance(name, str) or name not in names:
            raise BadRequest(
                f"outputs[{index}] is named {describe_value(name)}; the model {model.name!r} has {quote_names(names)}."
            )
        if name in requests:
            raise BadRequest(f"outputs[{index}] is named {name!r}, as one before it is. Request it once.")
        if parameters.get("classification"):
            raise BadRequest(f"outputs[{index}]: 'classification' is not supported; remove this parameter.")
        is_raw = as_bool(parameters.get("binary_data"), f"outputs[{index}].parameters.binary_data", default=all_raw)
        requests[name] = OutputRequest(name, is_raw)
    return tuple(requests.values()) or tuple(OutputRequest(name, all_raw) for name in names)


def _output_names(model: Model) -> list[str]:
    return [tensor.name for tensor in model.manifest.signature.outputs]


def check_content_type(content_type: str, body: bytes) -> None:
    """Check that a body may be a request: JSON, or application/octet-stream or no type for raw tensors.

    Raises:
        WrongContentType: it is something else.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type not in GENERIC_CONTENT_TYPES and not is_json_body(content_type, body):
        raise WrongContentType(
            f"a body of type {media_type[:50]!r} is not supported here. Send application/json, or "
            f"application/octet-stream with {JSON_LENGTH_HEADER}."
        )


def is_quick_to_parse(body: bytes, header_length: str | None) -> bool:
    """Return whether to parse a request on the event loop: it is small, and so is its JSON."""
    text = len(body) if header_length is None else find_raw_offset(body, header_length) or 0
    return text <= _MAX_INLINE_JSON_BYTES and len(body) <= _MAX_INLINE_BODY_BYTES


def find_raw_offset(body: bytes, header_length: str | None) -> int | None:
    r"""Return where the raw tensors begin: 0 if the body is one raw tensor, None if all of it is JSON.

    >>> find_raw_offset(b'{"inputs": []}\0\0', header_length="14")
    14

    Raises:
        BadRequest: there is no body, or `header_length` is not a number of bytes in it.
    """
    if not body:
        raise BadRequest('the body is empty. Send {"inputs": [{"name": …, "shape": …, "datatype": …, "data": …}]}.')
    if header_length is None:
        return None
    if not (header_length.isascii() and header_length.isdigit() and len(header_length) < 20):
        raise BadRequest(f"the header {JSON_LENGTH_HEADER} must be a number of bytes, but is {header_length[:50]!r}.")
    if (start := int(header_length)) > len(body):
        raise BadRequest(f"the header {JSON_LENGTH_HEADER} says {start:,} bytes; the body has {len(body):,}.")
    return start
