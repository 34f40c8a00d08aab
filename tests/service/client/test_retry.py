"""The client against servers that refuse, fail, stall, or are not there."""

from __future__ import annotations

import asyncio

import httpx2
import numpy as np
import pytest

from graft.errors import GraftError, NotAnImage, NotReady, Overloaded, ServerFailed, Unauthorized, Unreachable
from service import AsyncClient, Client
from service.client import client as client_module
from service.client.client import RetryPolicy

RED = np.array([[[255, 0, 0]] * 20] * 16, np.uint8)
GOOD = {"model": "m", "version": 1, "predictions": [{"label": "a", "probability": 1, "top": []}]}


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "BACKOFF_SECONDS", 0.001)


def mocked(*answers: httpx2.Response | Exception) -> tuple[Client, list[httpx2.Request]]:
    """A client whose server gives `answers` one after the other, and what it was asked."""
    asked: list[httpx2.Request] = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        answer = answers[len(asked) - 1]
        if isinstance(answer, Exception):
            raise answer
        return httpx2.Response(answer.status_code, content=answer.content, headers=answer.headers)  # each is read once

    return Client(http=httpx2.Client(transport=httpx2.MockTransport(handle)), retries=2, timeout=5), asked


def refusal(status: int, code: str, **headers: str) -> httpx2.Response:
    return httpx2.Response(status, json={"error": "why", "code": code}, headers=headers)


RETRIABLE = pytest.mark.parametrize(
    "first",
    [
        httpx2.ConnectError("refused"),
        httpx2.ReadError("reset"),
        httpx2.RemoteProtocolError("closed"),
        refusal(429, "overloaded", **{"Retry-After": "0"}),
        refusal(503, "not_ready", **{"Retry-After": "soon"}),
    ],
)


@RETRIABLE
def test_retry_on_connection_errors_429_and_503(first: httpx2.Response | Exception) -> None:
    client, asked = mocked(first, httpx2.Response(200, json=GOOD))
    assert client.predict("m", RED).label == "a"
    assert len(asked) == 2
    assert asked[0].content == asked[1].content


@RETRIABLE
def test_async_client_retries_like_the_client(first: httpx2.Response | Exception) -> None:
    client, asked = mocked(first, httpx2.Response(200, json=GOOD))

    async def story() -> None:
        async with AsyncClient(http=httpx2.AsyncClient(transport=client._http._transport), retries=2) as same:
            assert (await same.predict("m", RED)).label == "a"

    asyncio.run(story())
    assert len(asked) == 2


def test_retry_backoff_doubles_with_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "BACKOFF_SECONDS", 0.1)
    policy = RetryPolicy(timeout=60, retries=4)
    for shortest in (0.1, 0.2, 0.4):
        assert shortest <= policy.next_delay(Overloaded("full")) <= 1.5 * shortest
    assert 7 <= policy.next_delay(NotReady("loading"), "7") <= 1.5 * 7  # the server's Retry-After is longer
    with pytest.raises(Overloaded):
        policy.next_delay(Overloaded("full"))  # no retry is left


def test_retry_ends_before_the_deadline() -> None:
    with pytest.raises(Unreachable):
        RetryPolicy(timeout=5, retries=9).next_delay(Unreachable("nobody"), "5")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refusal(400, "not_an_image"), NotAnImage),
        (refusal(401, "unauthorized"), Unauthorized),
        (refusal(500, "server_failed"), ServerFailed),
        (httpx2.Response(200, text="<html>"), ServerFailed),
        (httpx2.Response(200, json={"predictions": [{}]}), ServerFailed),
        (httpx2.Response(502, text="<html>"), ServerFailed),
        (refusal(429, "overloaded", **{"Retry-After": "60"}), Overloaded),
    ],
)
def test_no_retry_where_it_would_not_help(answer: httpx2.Response, error: type[GraftError]) -> None:
    client, asked = mocked(answer)
    with pytest.raises(error):
        client.predict("m", RED)
    assert len(asked) == 1


def test_retry_gives_up_after_its_limit() -> None:
    client, asked = mocked(*[refusal(503, "not_ready")] * 9)
    with pytest.raises(NotReady, match="why"):
        client.models()
    assert len(asked) == 3


def test_retry_without_a_server_raises_unreachable() -> None:
    client, _ = mocked(*[httpx2.ConnectError("refused")] * 3)
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:8000 \(refused\).*`serve`"):
        client.models()


def test_async_client_timeout_is_its_deadline() -> None:
    async def never(request: httpx2.Request) -> httpx2.Response:
        await asyncio.sleep(60)
        raise AssertionError

    async def story() -> None:
        async with AsyncClient(http=httpx2.AsyncClient(transport=httpx2.MockTransport(never)), timeout=0.05) as client:
            with pytest.raises(Unreachable, match="no answer"):
                await client.models()

    asyncio.run(story())
