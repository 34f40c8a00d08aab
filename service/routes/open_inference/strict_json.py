"""Strict JSON (RFC 8259) with simdjson: the numbers of a tensor never become Python objects.

simdjson refuses what RFC 8259 does: NaN, numbers out of a double's range, lone surrogates, invalid UTF-8, nesting over
1,024. It accepts duplicate keys; `as_object` refuses those in every object that is read.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Final

from simdjson import Array, Object, Parser

from graft.errors import BadRequest

JsonNode = str | int | float | bool | None | Array | Object

_MAX_REUSE_BYTES: Final = 4 << 20  # of a text that is parsed with a parser that is kept
MAX_MEMBERS: Final = 64  # of one object; a lookup is a linear search
_PARSE_ERRORS: Final = {
    "NUMBER_ERROR": "a number is malformed or too large",
    "BIGINT_ERROR": "a number is too large",
    "STRING_ERROR": "a string is malformed, or has a lone surrogate",
    "UNESCAPED_CHARS": "a string has a control character",
    "UNCLOSED_STRING": "a string is not closed",
    "UTF8_ERROR": "it is not UTF-8",
    "DEPTH_ERROR": "it is nested too deeply",
    "EMPTY": "it is empty",
}


def parse_document(text: bytes) -> JsonNode:
    """Parse JSON: about 2 ms a megabyte.

    Raises:
        BadRequest: it is not JSON.
    """
    try:
        return _parse_on_thread(text)
    except (ValueError, RuntimeError) as fault:  # RuntimeError: nested too deeply, or an integer beyond 64 bits
        message = str(fault)
        why = next((why for code, why in _PARSE_ERRORS.items() if code in message), "its structure is malformed")
        raise BadRequest(f"the JSON cannot be parsed: {why}.") from None


def _parse_on_thread(text: bytes) -> JsonNode:
    """Parse with the thread's own parser: allocating its memory each time would take as long as parsing.

    A parser keeps the memory of its largest text, some ten times the text; so a very large one gets a new parser.
    """
    if len(text) > _MAX_REUSE_BYTES:
        return Parser().parse(text)
    try:
        return _thread_state.parser.parse(text)
    except RuntimeError as fault:
        if "re-use" not in str(fault):
            raise
    _thread_state.parser = Parser()  # a result of the old one is still referenced, such as by an error's traceback
    return _thread_state.parser.parse(text)


class _ThreadState(threading.local):
    """The parser of each thread."""

    def __init__(self) -> None:
        self.parser = Parser()


_thread_state = _ThreadState()


def as_object(value: JsonNode, where: str) -> Object:
    """Return `value` if it is a JSON object without duplicate keys; errors name `where` it is.

    Raises:
        BadRequest: it is something else.
    """
    if not isinstance(value, Object):
        raise BadRequest(f"{where} must be an object, but is {describe_value(value)}.")
    if len(value) > MAX_MEMBERS:
        raise BadRequest(f"{where} has {len(value):,} members; at most {MAX_MEMBERS} are allowed.")
    keys = list(value)
    if len(set(keys)) != len(keys):
        duplicate_key = next(key for key in keys if keys.count(key) > 1)
        raise BadRequest(f"{where} has the key {describe_value(duplicate_key)} twice. Send it once.")
    return value


def get_parameters(node: Object, where: str) -> dict[str, JsonNode]:
    """Return the known members of an object's `parameters`, {} if it has none; raises as `as_object` does."""
    value = node.get("parameters")
    if value is None:
        return {}
    parameters = as_object(value, f"{where}.parameters")
    names = ("binary_data", "binary_data_output", "binary_data_size", "classification")
    return {name: parameters.get(name) for name in names}


def as_array(value: JsonNode, where: str) -> Array:
    """Return `value` if it is a JSON list.

    Raises:
        BadRequest: it is something else.
    """
    if not isinstance(value, Array):
        raise BadRequest(f"{where} must be a list, but is {describe_value(value)}.")
    return value


def as_bool(value: JsonNode, where: str, *, default: bool) -> bool:
    """Return `value` if it is true or false, or the default if it is null or missing.

    Raises:
        BadRequest: it is something else.
    """
    if value is None:
        return default
    if not isinstance(value, bool):
        raise BadRequest(f"{where} must be true or false, but is {describe_value(value)}.")
    return value


def describe_value(value: JsonNode) -> str:
    """Describe a JSON value in a few words, for an error."""
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
    """Return names in quotes, for an error.

    >>> quote_names(["token_ids", "padding_mask"])
    "'token_ids', 'padding_mask'"
    """
    return ", ".join(map(repr, names)) or "none"
