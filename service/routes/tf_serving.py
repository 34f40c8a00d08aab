"""TensorFlow Serving's JSON: {"instances": […]} by rows, {"inputs": …} by columns."""

from __future__ import annotations

import json
from typing import Literal, NoReturn

from graft.bundle.manifest import reject_duplicate_keys
from graft.errors import BadRequest
from service.limits.samples_per_request import check_sample_count
from service.models.input_kinds import InputKind, JsonValue, WireSample

TensorFlowKey = Literal["instances", "inputs"]


def parse_json_samples(body: bytes, input_kind: InputKind, limit: int) -> tuple[TensorFlowKey, list[WireSample]]:
    """Return the key and the samples of a JSON body with at most `limit` samples of what the model takes.

    Raises:
        BadRequest: it is not strict JSON, or not of that form; the message names the place.
        NotText: a text in it has a lone surrogate.
    """
    facts = parse_strict_json(body)
    if not isinstance(facts, dict) or ("instances" in facts) == ("inputs" in facts):
        raise BadRequest(f"the JSON must have exactly one of 'instances' and 'inputs'. {input_kind.json_usage}")
    key: TensorFlowKey = "instances" if "instances" in facts else "inputs"
    rows = facts[key]
    if key == "inputs":  # one column: a list, or a single sample
        column = _unwrap_input(rows, input_kind, key)
        rows = [column] if input_kind.is_single_sample(column) else column
    if not isinstance(rows, list) or not rows:
        raise BadRequest(f"{key!r} must be a list of at least one {input_kind.noun}. {input_kind.json_usage}")
    check_sample_count(len(rows), limit, repr(key))
    return key, [
        input_kind.parse_json(_unwrap_input(row, input_kind, f"{key}[{index}]"), f"{key}[{index}]")
        for index, row in enumerate(rows)
    ]


def parse_strict_json(body: bytes) -> JsonValue:
    """Parse JSON by RFC 8259: no NaN, no duplicate keys, limited nesting.

    Raises:
        BadRequest: it is not such JSON.
    """
    try:
        return json.loads(body, parse_constant=_reject_constant, object_pairs_hook=reject_duplicate_keys)
    except RecursionError:
        raise BadRequest("the JSON is nested too deeply.") from None
    except ValueError as fault:
        raise BadRequest(f"the body is not valid JSON ({fault}).") from None


def _unwrap_input(value: JsonValue, input_kind: InputKind, where: str) -> JsonValue:
    """Return the value of {"image": value} or {"text": value}, and everything else as it is."""
    if not isinstance(value, dict) or "b64" in value:
        return value
    if set(value) != {input_kind.input_name}:
        names = ", ".join(map(repr, list(value)[:5])) or "none"
        raise BadRequest(
            f"{where} names the inputs {names}; the model has one, {input_kind.input_name!r}. {input_kind.json_usage}"
        )
    return value[input_kind.input_name]


def _reject_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not allowed")
