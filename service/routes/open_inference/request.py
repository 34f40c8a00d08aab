"""One infer request: the bytes of it -> checked tensors, and which outputs are wanted in which form.

How a request's bytes are divided: JSON alone, JSON with raw tensors behind it, or one raw tensor.
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

JSON_LENGTH_HEADER: Final = "Inference-Header-Content-Length"  # how many bytes of JSON come before the raw tensors


_MAX_INLINE_JSON_BYTES: Final = 16 << 10  # bytes of JSON that are read sooner than a thread would begin


_MAX_INLINE_BODY_BYTES: Final = 1 << 20  # bytes in all


@dataclass(frozen=True, slots=True)
class OutputRequest:
    """One output to answer with, raw or in JSON."""

    name: str
    is_raw: bool


@dataclass(frozen=True, slots=True)
class InferRequest:
    """One request, checked: `arrays` are exactly what the model's signature says."""

    id: str | None
    arrays: BatchArrays
    outputs: tuple[OutputRequest, ...]

    @classmethod
    def from_body(cls, body: bytes, header_length: str | None, model: Model, max_rows: int, max_tokens: int) -> Self:
        """Read a request that may have `max_rows` rows and, of texts, `max_tokens` tokens.

        `header_length` is the HTTP header of that name. Without it the body is JSON; 0 says that it is one raw tensor.

        Raises:
            BadRequest: it does not fit the model; the message names what was due and what came.
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
            raise BadRequest(f"'id' must be a string, and is {describe_value(id_)}.")
        outputs = _parse_outputs(request, model)
        inputs = _parse_inputs(request, model)
        check_shapes({one.tensor.name: one.shape for one in inputs}, model, max_rows, max_tokens)
        lists = 1 + 2 * len(inputs) + ("outputs" in request)  # if all numbers are flat
        arrays = _read_arrays(inputs, body, len(text), find_structure(text, lists))
        check_values(arrays, model)
        return cls(id_, arrays, outputs)


@dataclass(frozen=True, slots=True)
class _InputTensor:
    """One input as it came: `size` bytes after the JSON, or else `data` in it."""

    tensor: TensorSpec
    shape: TensorShape
    data: JsonNode
    size: int | None
    where: str

    @classmethod
    def from_json(cls, facts: Object, tensor: TensorSpec, where: str) -> Self:
        """Read all but the numbers."""
        check_datatype(facts.get("datatype"), tensor, where)
        shape = parse_shape(facts.get("shape"), tensor, where)
        size, data = get_parameters(facts, where).get("binary_data_size"), facts.get("data")
        if (size is None) == (data is None):
            raise BadRequest(f"{where} must have exactly one of 'data' and 'parameters.binary_data_size'.")
        expected_bytes = prod(shape) * np.dtype(tensor.dtype).itemsize
        if size is not None and not (type(size) is int and size == expected_bytes):
            raise BadRequest(
                f"{where} has a 'binary_data_size' of {describe_value(size)}; the shape {list(shape)} makes {expected_bytes:,}."
            )
        return cls(tensor, shape, data, expected_bytes if size is not None else None, where)


def _parse_raw_body(body: bytes, model: Model, max_rows: int) -> BatchArrays:
    """Read a body that is the only input's tensor; as many rows as it holds."""
    tensor, *others = model.manifest.signature.inputs
    if others or -1 in tensor.shape[1:]:
        raise BadRequest(
            f"the model {model.name!r} takes more than one tensor of a known size, so a body that is one raw tensor "
            f"cannot be read. Send JSON, and its length in {JSON_LENGTH_HEADER}."
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
    """Read all of the inputs but their numbers."""
    tensors = {tensor.name: tensor for tensor in model.manifest.signature.inputs}
    found: dict[str, _InputTensor] = {}
    for at, one in enumerate(as_array(request.get("inputs"), "'inputs'")):
        facts = as_object(one, f"inputs[{at}]")
        name = facts.get("name")
        if not isinstance(name, str) or name not in tensors:
            raise BadRequest(
                f"inputs[{at}] is named {describe_value(name)}; the model {model.name!r} takes {quote_names([*tensors])}."
            )
        if name in found:
            raise BadRequest(f"inputs[{at}] is named {name!r}, as {found[name].where} is. Send it once.")
        found[name] = _InputTensor.from_json(facts, tensors[name], f"inputs[{at}] {name!r}")
    return list(found.values())


def _read_arrays(found: list[_InputTensor], body: bytes, start: int, forms: bytes | None) -> dict[str, NumberArray]:
    """Read the numbers; the raw ones begin at `start`, one tensor after the other, and end with the body."""
    expected_bytes = sum(one.size or 0 for one in found)
    if start + expected_bytes != len(body):
        raise BadRequest(
            f"after the JSON there are {len(body) - start:,} bytes; the inputs' 'binary_data_size' make {expected_bytes:,}. "
            f"The header {JSON_LENGTH_HEADER} must tell how long the JSON is."
        )
    arrays: dict[str, NumberArray] = {}
    for one in found:
        if one.size is None:
            arrays[one.tensor.name] = array_from_json(one.data, one.tensor, one.shape, forms, f"{one.where}.data")
        else:
            arrays[one.tensor.name] = array_from_bytes(body, start, one.tensor, one.shape, one.where)
            start += one.size
    return arrays


def _parse_outputs(request: Object, model: Model) -> tuple[OutputRequest, ...]:
    """Read which outputs are wanted: all, unless the request names some."""
    raw = get_parameters(request, "the request").get("binary_data_output")
    all_raw = as_bool(raw, "parameters.binary_data_output", default=False)
    value = request.get("outputs")
    output_list = [] if value is None else as_array(value, "'outputs'")
    names = _output_names(model)
    requests: dict[str, OutputRequest] = {}
    for at, one in enumerate(output_list):
        facts = as_object(one, f"outputs[{at}]")
        name, how = facts.get("name"), get_parameters(facts, f"outputs[{at}]")
        if not isinstance(name, str) or name not in names:
            raise BadRequest(
                f"outputs[{at}] is named {describe_value(name)}; the model {model.name!r} gives {quote_names(names)}."
            )
        if name in requests:
            raise BadRequest(f"outputs[{at}] is named {name!r}, as one before it is. Ask for it once.")
        if how.get("classification"):
            raise BadRequest(f"outputs[{at}] asks for a 'classification', which this server has not. Leave it out.")
        is_raw = as_bool(how.get("binary_data"), f"outputs[{at}].parameters.binary_data", default=all_raw)
        requests[name] = OutputRequest(name, is_raw)
    return tuple(requests.values()) or tuple(OutputRequest(name, all_raw) for name in names)


def _output_names(model: Model) -> list[str]:
    return [tensor.name for tensor in model.manifest.signature.outputs]


def check_content_type(content_type: str, body: bytes) -> None:
    """Pass if a body may be a request; raw tensors come as application/octet-stream, or without a type.

    Raises:
        WrongContentType: it is something else.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type not in GENERIC_CONTENT_TYPES and not is_json_body(content_type, body):
        raise WrongContentType(
            f"a body of type {media_type[:50]!r} cannot be read here. Send application/json, or application/octet-stream "
            f"with {JSON_LENGTH_HEADER}."
        )


def is_quick_to_parse(body: bytes, header_length: str | None) -> bool:
    """Tell whether to read a request at once, on the event loop: nearly all of it is raw, or it is small."""
    text = len(body) if header_length is None else find_raw_offset(body, header_length) or 0
    return text <= _MAX_INLINE_JSON_BYTES and len(body) <= _MAX_INLINE_BODY_BYTES


def find_raw_offset(body: bytes, header_length: str | None) -> int | None:
    """Return where the raw tensors begin, which is 0 if the body is one of them; None if all is JSON.

    Raises:
        BadRequest: there is no body, or `header_length` is no number of bytes in it.
    """
    if not body:
        raise BadRequest('the body is empty. Send {"inputs": [{"name": …, "shape": …, "datatype": …, "data": …}]}.')
    if header_length is None:
        return None
    if not (header_length.isascii() and header_length.isdigit() and len(header_length) < 20):
        raise BadRequest(f"the header {JSON_LENGTH_HEADER} must be a number of bytes, and is {header_length[:50]!r}.")
    if (start := int(header_length)) > len(body):
        raise BadRequest(f"the header {JSON_LENGTH_HEADER} tells of {start:,} bytes; the body has {len(body):,}.")
    return start
