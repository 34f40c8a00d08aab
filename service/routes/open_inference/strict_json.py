"""Strict RFC 8259 JSON that is read where it lies: a tensor's numbers never become Python objects.

simdjson refuses what RFC 8259 does: NaN, numbers out of a double's range, lone surrogates, bytes that are no UTF-8,
nesting over 1,024. It keeps a key that stands twice; `as_object` refuses that in every object that is read.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Final

from simdjson import Array, Object, Parser

from graft.errors import BadRequest

JsonNode = str | int | float | bool | None | Array | Object

_MAX_REUSE_BYTES: Final = 4 << 20  # bytes
MAX_MEMBERS: Final = 64  # of one object; a lookup walks through them all
_PARSE_ERRORS: Final = {
    "NUMBER_ERROR": "a number is malformed or too large",
    "BIGINT_ERROR": "a number is too large",
    "STRING_ERROR": "a string is malformed; a lone surrogate is, too",
    "UNESCAPED_CHARS": "a string holds a control character",
    "UNCLOSED_STRING": "a string has no end",
    "UTF8_ERROR": "it is not UTF-8",
    "DEPTH_ERROR": "it is nested too deeply",
    "EMPTY": "it is empty",
}


def parse_document(text: bytes) -> JsonNode:
    """Parse JSON: about 2 ms a megabyte.

    Raises:
        BadRequest: it is none.
    """
    try:
        return _parse_on_thread(text)
    except (ValueError, RuntimeError) as fault:  # RuntimeError: too deep, or a whole number beyond 64 bits
        message = str(fault)
        why = next((why for code, why in _PARSE_ERRORS.items() if code in message), "its structure is broken")
        raise BadRequest(f"the JSON cannot be read: {why}.") from None


def _parse_on_thread(text: bytes) -> JsonNode:
    """Parse with the thread's own parser: its memory, new each time, would cost as much as the parsing.

    It keeps what its largest text took, some ten times the text; so a very large one gets a parser that is not kept.
    """
    if len(text) > _MAX_REUSE_BYTES:
        return Parser().parse(text)
    try:
        return _thread_state.parser.parse(text)
    except RuntimeError as fault:
        if "re-use" not in str(fault):
            raise
    _thread_state.parser = Parser()  # somebody, an error's traceback for one, still holds what the old one read
    return _thread_state.parser.parse(text)


class _ThreadState(threading.local):
    """What each thread has of its own."""

    def __init__(self) -> None:
        self.parser = Parser()


_thread_state = _ThreadState()


def as_object(value: JsonNode, where: str) -> Object:
    """Return a JSON object of which no key stands twice; `where` it stands is named in errors.

    Raises:
        BadRequest: it is something else.
    """
    if not isinstance(value, Object):
        raise BadRequest(f"{where} must be an object, and is {describe_value(value)}.")
    if len(value) > MAX_MEMBERS:
        raise BadRequest(f"{where} has {len(value):,} members; allowed are {MAX_MEMBERS}.")
    keys = list(value)
    if len(set(keys)) != len(keys):
        duplicate_key = next(key for key in keys if keys.count(key) > 1)
        raise BadRequest(f"{where} has the key {describe_value(duplicate_key)} twice. Send it once.")
    return value


def get_parameters(node: Object, where: str) -> dict[str, JsonNode]:
    """Return the member `get_parameters` of an object, {} if it has none; raises as `as_object` does."""
    value = node.get("parameters")
    if value is None:
        return {}
    found = as_object(value, f"{where}.parameters")
    return {
        name: found.get(name) for name in ("binary_data", "binary_data_output", "binary_data_size", "classification")
    }


def as_array(value: JsonNode, where: str) -> Array:
    """Return a JSON list.

    Raises:
        BadRequest: it is something else.
    """
    if not isinstance(value, Array):
        raise BadRequest(f"{where} must be a list, and is {describe_value(value)}.")
    return value


def as_bool(value: JsonNode, where: str, *, default: bool) -> bool:
    """Return true or false, or the default if there is nothing.

    Raises:
        BadRequest: it is something else.
    """
    if value is None:
        return default
    if not isinstance(value, bool):
        raise BadRequest(f"{where} must be true or false, and is {describe_value(value)}.")
    return value


def describe_value(value: JsonNode) -> str:
    """Say what a JSON value is, briefly, for an error."""
    match value:
        case Array():
            return f"a list of {len(value):,}"
        case Object():
            return "an object"
        case str():
            return repr(value) if len(value) <= 50 else f"{value[:50]!r}…"
        case None | bool():
            return {None: "nothing", True: "true", False: "false"}[value]
    return str(value)


def quote_names(names: Sequence[str]) -> str:
    """Write names in a row, for an error."""
    return ", ".join(map(repr, names)) or "none"
