from __future__ import annotations

import pytest

from service.errors import WIRE, from_wire, to_wire
from zoo.errors import BadRequest, GraftError, InputError, ServerFailed, ServiceError, TrunkError, Unreachable


def leaves(error: type[GraftError]) -> set[type[GraftError]]:
    return set().union(*(leaves(child) for child in error.__subclasses__())) or {error}


def test_every_error_that_the_service_can_raise_is_in_the_table() -> None:
    assert leaves(InputError) | leaves(ServiceError) == WIRE.keys() | {Unreachable}


def test_codes_are_unique() -> None:
    assert len({code for _, code in WIRE.values()}) == len(WIRE)


@pytest.mark.parametrize("error", WIRE)
def test_the_client_raises_what_the_server_raised(error: type[GraftError]) -> None:
    import json

    status, body = to_wire(error("what, where, what next"))
    back = from_wire(status, json.dumps(body).encode())
    assert (type(back), str(back)) == (error, "what, where, what next")


@pytest.mark.parametrize("defect", [KeyError("/secret/path"), TrunkError("/secret/path"), Unreachable("/secret/path")])
def test_defects_tell_nothing_of_the_inside(defect: Exception) -> None:
    status, body = to_wire(defect)
    assert (status, body["code"]) == (500, "server_failed")
    assert "secret" not in body["error"]


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"error": 1}', b"[" * 100_000])
def test_answers_of_something_else_become_errors_too(body: bytes) -> None:
    assert type(from_wire(502, body)) is ServerFailed
    assert type(from_wire(404, body)) is BadRequest
