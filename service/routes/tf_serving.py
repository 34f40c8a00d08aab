"""TensorFlow Serving's JSON: {"instances": […]} by rows, {"inputs": …} by columns."""

from __future__ import annotations

import json
from typing import Literal, NoReturn

from graft.bundle.manifest import reject_duplicate_keys
from graft.errors import BadRequest
from service.models.input_kinds import InputKind, JsonValue, WireSample

TensorFlowKey = Literal["instances", "inputs"]


def parse_json_samples(body: bytes, input_kind: InputKind, max_samples: int) -> tuple[TensorFlowKey, list[WireSample]]:
    """Return the key and the samples of a JSON body, at most `max_samples` of what the model takes.

    Raises:
        BadRequest: it is no strict JSON, or not of that form; the message names the place.
        NotText: a text in it holds a lone surrogate.
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
    if len(rows) > max_samples:
        raise BadRequest(f"{key!r} has {len(rows)} samples; allowed are {max_samples}. Send them in several requests.")
    return key, [
        input_kind.parse_json(_unwrap_input(row, input_kind, f"{key}[{at}]"), f"{key}[{at}]")
        for at, row in enumerate(rows)
    ]


def parse_strict_json(body: bytes) -> JsonValue:
    """Read RFC 8259 JSON: no NaN, no key twice, no nesting without end.

    Raises:
        BadRequest: it is none.
    """
    try:
        return json.loads(body, parse_constant=_reject_constant, object_pairs_hook=reject_duplicate_keys)
    except RecursionError:
        raise BadRequest("the JSON is nested too deeply.") from None
    except ValueError as fault:
        raise BadRequest(f"the body is no JSON ({fault}).") from None


def _unwrap_input(value: JsonValue, input_kind: InputKind, where: str) -> JsonValue:
    """Take the value out of {"image": value} or {"text": value}; leave everything else."""
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
