"""The table of errors: every one has a status and a code, and comes back as the same class."""

from __future__ import annotations

import pytest

from graft.errors import BadRequest, GraftError, InputError, ServerFailed, ServiceError, TrunkError, Unreachable
from service.http_errors import HTTP_ERRORS, error_from_response, error_to_response


def leaves(error: type[GraftError]) -> set[type[GraftError]]:
    return set().union(*(leaves(child) for child in error.__subclasses__())) or {error}


def test_every_service_error_has_a_status_and_code() -> None:
    assert leaves(InputError) | leaves(ServiceError) == HTTP_ERRORS.keys() | {Unreachable}


def test_error_codes_are_unique() -> None:
    assert len({code for _, code in HTTP_ERRORS.values()}) == len(HTTP_ERRORS)


@pytest.mark.parametrize("error", HTTP_ERRORS)
def test_error_round_trip_from_server_to_client(error: type[GraftError]) -> None:
    import json

    status, body = error_to_response(error("what, where, what next"))
    back = error_from_response(status, json.dumps(body).encode())
    assert (type(back), str(back)) == (error, "what, where, what next")


@pytest.mark.parametrize("defect", [KeyError("/secret/path"), TrunkError("/secret/path"), Unreachable("/secret/path")])
def test_internal_errors_reveal_no_details(defect: Exception) -> None:
    status, body = error_to_response(defect)
    assert (status, body["code"]) == (500, "server_failed")
    assert "secret" not in body["error"]


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"error": 1}', b"[" * 100_000])
def test_foreign_error_bodies_become_client_errors(body: bytes) -> None:
    assert type(error_from_response(502, body)) is ServerFailed
    assert type(error_from_response(404, body)) is BadRequest
