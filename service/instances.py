"""TensorFlow Serving's JSON: {"instances": […]} by rows, {"inputs": …} by columns."""

from __future__ import annotations

import json
from typing import Literal, NoReturn

from service.takes import Json, Sample, Takes
from zoo.errors import BadRequest
from zoo.manifest import no_twins

Key = Literal["instances", "inputs"]


def samples_in(body: bytes, takes: Takes, most: int) -> tuple[Key, list[Sample]]:
    """Return the key and the samples of a JSON body, at most `most` of what the model takes.

    Raises:
        BadRequest: it is no strict JSON, or not of that form; the message names the place.
        NotText: a text in it holds a lone surrogate.
    """
    facts = strict_json(body)
    if not isinstance(facts, dict) or ("instances" in facts) == ("inputs" in facts):
        raise BadRequest(f"the JSON must have exactly one of 'instances' and 'inputs'. {takes.ways}")
    key: Key = "instances" if "instances" in facts else "inputs"
    rows = facts[key]
    if key == "inputs":  # one column: a list, or a single sample
        column = _unnamed(rows, takes, key)
        rows = [column] if takes.is_one(column) else column
    if not isinstance(rows, list) or not rows:
        raise BadRequest(f"{key!r} must be a list of at least one {takes.noun}. {takes.ways}")
    if len(rows) > most:
        raise BadRequest(f"{key!r} has {len(rows)} samples; allowed are {most}. Send them in several requests.")
    return key, [takes.sample(_unnamed(row, takes, f"{key}[{at}]"), f"{key}[{at}]") for at, row in enumerate(rows)]


def strict_json(body: bytes) -> Json:
    """Read RFC 8259 JSON: no NaN, no key twice, no nesting without end.

    Raises:
        BadRequest: it is none.
    """
    try:
        return json.loads(body, parse_constant=_no_constant, object_pairs_hook=no_twins)
    except RecursionError:
        raise BadRequest("the JSON is nested too deeply.") from None
    except ValueError as fault:
        raise BadRequest(f"the body is no JSON ({fault}).") from None


def _unnamed(value: Json, takes: Takes, where: str) -> Json:
    """Take the value out of {"image": value} or {"text": value}; leave everything else."""
    if not isinstance(value, dict) or "b64" in value:
        return value
    if set(value) != {takes.name}:
        names = ", ".join(map(repr, list(value)[:5])) or "none"
        raise BadRequest(f"{where} names the inputs {names}; the model has one, {takes.name!r}. {takes.ways}")
    return value[takes.name]


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not allowed")
