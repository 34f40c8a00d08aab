"""Exceptions <-> HTTP status and error code, in one table: the server looks up exceptions, the client codes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

from graft.errors import (
    BadRequest,
    BodyTooLarge,
    BrokenImage,
    GraftError,
    NotAnImage,
    NotReady,
    NotText,
    Overloaded,
    ServerFailed,
    TextTooLong,
    TooManyPixels,
    Unauthorized,
    UnknownModel,
    UnknownVersion,
    WrongContentType,
)

HTTP_ERRORS: Final[Mapping[type[GraftError], tuple[int, str]]] = MappingProxyType(
    {
        BadRequest: (400, "bad_request"),
        NotAnImage: (400, "not_an_image"),
        BrokenImage: (400, "broken_image"),
        NotText: (400, "not_text"),
        Unauthorized: (401, "unauthorized"),
        UnknownModel: (404, "unknown_model"),
        UnknownVersion: (404, "unknown_version"),
        BodyTooLarge: (413, "body_too_large"),
        TooManyPixels: (413, "too_many_pixels"),
        TextTooLong: (413, "text_too_long"),
        WrongContentType: (415, "wrong_content_type"),
        Overloaded: (429, "overloaded"),
        ServerFailed: (500, "server_failed"),
        NotReady: (503, "not_ready"),
    }
)
SERVER_FAILED_MESSAGE: Final = "the server failed on this request; its log has the details."

_ERRORS_BY_CODE: Final = {code: error for error, (_, code) in HTTP_ERRORS.items()}


def error_to_response(error: Exception) -> tuple[int, dict[str, str]]:
    """Return the status and the JSON body of an error response.

    Unmapped exceptions are answered with a generic 500; details stay in the log.

    >>> error_to_response(Overloaded("the server is full."))
    (429, {'error': 'the server is full.', 'code': 'overloaded'})
    """
    if type(error) not in HTTP_ERRORS:
        return error_to_response(ServerFailed(SERVER_FAILED_MESSAGE))
    status, code = HTTP_ERRORS[type(error)]  # type: ignore[index]  # mypy does not narrow by `in`
    return status, {"error": str(error), "code": code}


def http_error_body(status: int, text: str) -> dict[str, str]:
    """Return the JSON body of an error of HTTP itself, such as 404 for an unknown path."""
    return {"error": text, "code": HTTPStatus(status).name.lower()}


def error_from_response(status: int, body: bytes) -> GraftError:
    """Return the exception of an error response: the class and the message that the server raised.

    >>> error_from_response(429, b'{"error": "the server is full.", "code": "overloaded"}')
    Overloaded('the server is full.')
    """
    try:
        facts = json.loads(body)
        text, code = str(facts["error"]), str(facts["code"])
    except (ValueError, KeyError, TypeError, RecursionError):
        text, code = f"status {status} without an error message of Graft. Is this a Graft server?", ""
    return _ERRORS_BY_CODE.get(code, ServerFailed if status >= 500 else BadRequest)(text)
