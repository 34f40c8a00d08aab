"""One infer request: the bytes of it -> checked tensors, and which outputs are wanted in which form."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Self

import numpy as np
from simdjson import Object

from service.model import Model
from service.oip.checks import check_datatype, check_shapes, check_values, shape_of
from service.oip.framing import HEADER_LENGTH, start_of
from service.oip.strict import Value, document, flag, items, listed, members, parameters, said
from service.oip.tensors import Numbers, Shape, forms_in, of_bytes, of_json
from zoo.errors import BadRequest
from zoo.inputs import Arrays
from zoo.signature import Tensor


@dataclass(frozen=True, slots=True)
class Wanted:
    """One output to answer with, raw or in JSON."""

    name: str
    is_raw: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, checked: `arrays` are exactly what the model's signature says."""

    id: str | None
    arrays: Arrays
    outputs: tuple[Wanted, ...]

    @classmethod
    def of(cls, body: bytes, header_length: str | None, model: Model, most: int, max_tokens: int) -> Self:
        """Read a request that may have `most` rows and, of texts, `max_tokens` tokens.

        `header_length` is the HTTP header of that name. Without it the body is JSON; 0 says that it is one raw tensor.

        Raises:
            BadRequest: it does not fit the model; the message names what was due and what came.
            TextTooLong: a text has more tokens than the model takes.
        """
        start = start_of(body, header_length)
        if start == 0:
            return cls(None, _raw(body, model, most), tuple(Wanted(name, True) for name in _names(model)))
        text = body if start is None else body[:start]
        request = members(document(text), "the request")
        id_ = request.get("id")
        if not isinstance(id_, str | None):
            raise BadRequest(f"'id' must be a string, and is {said(id_)}.")
        outputs = _outputs(request, model)
        found = _inputs(request, model)
        check_shapes({one.tensor.name: one.shape for one in found}, model, most, max_tokens)
        lists = 1 + 2 * len(found) + ("outputs" in request)  # if all numbers are flat
        arrays = _arrays(found, body, len(text), forms_in(text, lists))
        check_values(arrays, model)
        return cls(id_, arrays, outputs)


@dataclass(frozen=True, slots=True)
class _Input:
    """One input as it came: `size` bytes after the JSON, or else `data` in it."""

    tensor: Tensor
    shape: Shape
    data: Value
    size: int | None
    where: str

    @classmethod
    def of(cls, facts: Object, tensor: Tensor, where: str) -> Self:
        """Read all but the numbers."""
        check_datatype(facts.get("datatype"), tensor, where)
        shape = shape_of(facts.get("shape"), tensor, where)
        size, data = parameters(facts, where).get("binary_data_size"), facts.get("data")
        if (size is None) == (data is None):
            raise BadRequest(f"{where} must have exactly one of 'data' and 'parameters.binary_data_size'.")
        due = prod(shape) * np.dtype(tensor.dtype).itemsize
        if size is not None and not (type(size) is int and size == due):
            raise BadRequest(
                f"{where} has a 'binary_data_size' of {said(size)}; the shape {list(shape)} makes {due:,}."
            )
        return cls(tensor, shape, data, due if size is not None else None, where)


def _raw(body: bytes, model: Model, most: int) -> Arrays:
    """Read a body that is the only input's tensor; as many rows as it holds."""
    tensor, *others = model.manifest.signature.inputs
    if others or -1 in tensor.shape[1:]:
        raise BadRequest(
            f"the model {model.name!r} takes more than one tensor of a known size, so a body that is one raw tensor "
            f"cannot be read. Send JSON, and its length in {HEADER_LENGTH}."
        )
    row = prod(tensor.shape[1:]) * np.dtype(tensor.dtype).itemsize
    if len(body) % row:
        raise BadRequest(
            f"the body has {len(body):,} bytes; a row of {tensor.name!r} {list(tensor.shape)} has {row:,}."
        )
    shape = (len(body) // row, *tensor.shape[1:])
    check_shapes({tensor.name: shape}, model, most, 0)
    return {tensor.name: of_bytes(body, 0, tensor, shape, "the body")}


def _inputs(request: Object, model: Model) -> list[_Input]:
    """Read all of the inputs but their numbers."""
    takes = {tensor.name: tensor for tensor in model.manifest.signature.inputs}
    found: dict[str, _Input] = {}
    for at, one in enumerate(items(request.get("inputs"), "'inputs'")):
        facts = members(one, f"inputs[{at}]")
        name = facts.get("name")
        if not isinstance(name, str) or name not in takes:
            raise BadRequest(f"inputs[{at}] is named {said(name)}; the model {model.name!r} takes {listed([*takes])}.")
        if name in found:
            raise BadRequest(f"inputs[{at}] is named {name!r}, as {found[name].where} is. Send it once.")
        found[name] = _Input.of(facts, takes[name], f"inputs[{at}] {name!r}")
    return list(found.values())


def _arrays(found: list[_Input], body: bytes, start: int, forms: bytes | None) -> dict[str, Numbers]:
    """Read the numbers; the raw ones begin at `start`, one tensor after the other, and end with the body."""
    due = sum(one.size or 0 for one in found)
    if start + due != len(body):
        raise BadRequest(
            f"after the JSON there are {len(body) - start:,} bytes; the inputs' 'binary_data_size' make {due:,}. "
            f"The header {HEADER_LENGTH} must tell how long the JSON is."
        )
    arrays: dict[str, Numbers] = {}
    for one in found:
        if one.size is None:
            arrays[one.tensor.name] = of_json(one.data, one.tensor, one.shape, forms, f"{one.where}.data")
        else:
            arrays[one.tensor.name] = of_bytes(body, start, one.tensor, one.shape, one.where)
            start += one.size
    return arrays


def _outputs(request: Object, model: Model) -> tuple[Wanted, ...]:
    """Read which outputs are wanted: all, unless the request names some."""
    raw = parameters(request, "the request").get("binary_data_output")
    all_raw = flag(raw, "parameters.binary_data_output", default=False)
    value = request.get("outputs")
    asked = [] if value is None else items(value, "'outputs'")
    names = _names(model)
    wanted: dict[str, Wanted] = {}
    for at, one in enumerate(asked):
        facts = members(one, f"outputs[{at}]")
        name, how = facts.get("name"), parameters(facts, f"outputs[{at}]")
        if not isinstance(name, str) or name not in names:
            raise BadRequest(f"outputs[{at}] is named {said(name)}; the model {model.name!r} gives {listed(names)}.")
        if name in wanted:
            raise BadRequest(f"outputs[{at}] is named {name!r}, as one before it is. Ask for it once.")
        if how.get("classification"):
            raise BadRequest(f"outputs[{at}] asks for a 'classification', which this server has not. Leave it out.")
        is_raw = flag(how.get("binary_data"), f"outputs[{at}].parameters.binary_data", default=all_raw)
        wanted[name] = Wanted(name, is_raw)
    return tuple(wanted.values()) or tuple(Wanted(name, all_raw) for name in names)


def _names(model: Model) -> list[str]:
    return [tensor.name for tensor in model.manifest.signature.outputs]
