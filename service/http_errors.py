"""One table: exception <-> HTTP status and code. The server reads it forwards, the client backwards."""

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
    """Return the status and the JSON body that tell a client of `error`.

    What is not in the table is a defect of the server: nothing of it leaves the house.
    """
    if type(error) not in HTTP_ERRORS:
        return error_to_response(ServerFailed(SERVER_FAILED_MESSAGE))
    status, code = HTTP_ERRORS[type(error)]  # type: ignore[index]  # mypy does not narrow by `in`
    return status, {"error": str(error), "code": code}


def http_error_body(status: int, text: str) -> dict[str, str]:
    """Return the JSON body for what HTTP itself refuses, such as a path that is not there."""
    return {"error": text, "code": HTTPStatus(status).name.lower()}


def error_from_response(status: int, body: bytes) -> GraftError:
    """Return the error that an answer tells of: the class and the text that the server raised."""
    try:
        facts = json.loads(body)
        text, code = str(facts["error"]), str(facts["code"])
    except (ValueError, KeyError, TypeError, RecursionError):
        text, code = f"status {status}, and no text that Graft knows. Is this a Graft server?", ""
    return _ERRORS_BY_CODE.get(code, ServerFailed if status >= 500 else BadRequest)(text)
