"""The client against the real application, without sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import httpx2
import numpy as np
import pytest

from graft.errors import (
    BadRequest,
    BrokenImage,
    GraftError,
    InputError,
    NotAnImage,
    TooManyPixels,
    Unauthorized,
    UnknownModel,
    UnknownVersion,
)
from service import AsyncClient, Client, Prediction
from service.client import client as client_module
from service.client import requests
from service.server.app import create_app
from service.settings import Settings
from tests.support.fakes import picture
from tests.support.service.serving import Serving

RED = np.array([[[255, 0, 0]] * 20] * 16, np.uint8)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "BACKOFF_SECONDS", 0.001)


@pytest.fixture
def client(serving: Serving) -> Client:
    return Client(http=serving(versions=1))


def test_client_accepts_bytes_path_and_array(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "red.png"
    path.write_bytes(picture("red"))
    answers = [client.predict("tiny", one) for one in (picture("red"), path, str(path), RED)]
    assert answers == [answers[0]] * 4
    assert isinstance(answers[0], Prediction)
    assert (answers[0].label, answers[0].probability) == (answers[0].top[0].label, answers[0].top[0].probability)


def test_client_list_is_answered_in_order(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "MAX_REQUEST_SAMPLES", 3)
    images = [picture((shade, 0, 255 - shade)) for shade in range(0, 250, 25)]
    for answer, image in zip(client.predict("tiny", images, top=1), images, strict=True):
        alone = client.predict("tiny", image, top=1)  # no batch: equal within 1e-5
        assert (answer.label, answer.probability) == (alone.label, pytest.approx(alone.probability, abs=1e-5))
    assert client.predict("tiny", []) == []
    assert [one.label for one in client.predict("tiny", [RED])] == [client.predict("tiny", RED).label]


def test_client_request_batches_stay_within_size_and_count_limits() -> None:
    images = [b"x" * size for size in (5 << 20, 5 << 20, 1, 9 << 20, 1)] + [b"y"] * 40
    cut = list(requests.split_into_requests(images))
    assert [one for batch in cut for one in batch] == images
    assert all(len(batch) == 1 or sum(map(len, batch)) <= requests.MAX_REQUEST_BYTES for batch in cut)
    assert max(map(len, cut)) == requests.MAX_REQUEST_SAMPLES


def test_client_sends_arrays_losslessly(client: Client) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    scaled = noise / np.float32(255)
    embedded = client.embed("tiny", [noise, noise[..., 0]])
    assert (embedded.shape, embedded.dtype) == ((2, 6), np.float32)
    np.testing.assert_array_equal(embedded[0], client.embed("tiny", noise))
    mix = np.random.default_rng(0).normal(size=(6, 6)).astype(np.float32)
    expected = np.concatenate([scaled.mean((0, 1)), np.sqrt((scaled**2).sum((0, 1)))]) @ mix
    np.testing.assert_allclose(embedded[0], expected, rtol=1e-3)


def test_client_models_and_metadata(client: Client) -> None:
    assert client.models() == ["tiny"]
    assert client.metadata("tiny")["labels"] == ["red", "green", "blue"]
    assert client.metadata("tiny", version=1)["version"] == 1


@pytest.mark.parametrize(
    ("ask", "error", "text"),
    [
        (lambda client: client.predict("nobody", RED), UnknownModel, "There are: tiny"),
        (lambda client: client.predict("tiny", RED, version=9), UnknownVersion, "Served are 1"),
        (lambda client: client.predict("tiny", b"hello"), NotAnImage, "are text"),
        (lambda client: client.predict("tiny", [RED, b"hello"]), NotAnImage, "image 2 of 2"),
        (lambda client: client.predict("tiny", b"\xff\xd8\xff"), BrokenImage, "cannot be decoded"),
        (lambda client: client.predict("tiny", np.zeros((7000, 7000), np.uint8)), TooManyPixels, "7,000 x 7,000"),
        (lambda client: client.predict("tiny", RED, top=0), BadRequest, "top"),
        (lambda client: client.predict("tiny", RED.astype(float)), NotAnImage, "float64"),
        (lambda client: client.predict("tiny", RED[None]), NotAnImage, "as a list"),
        (lambda client: client.predict("tiny", "missing.png"), InputError, "cannot be read"),
        (lambda client: client.predict("../tiny", RED), GraftError, "tiny"),
        (lambda client: client.metadata("nobody"), UnknownModel, "nobody"),
    ],
)
def test_client_raises_the_servers_errors(
    client: Client, ask: Callable[[Client], object], error: type[GraftError], text: str
) -> None:
    with pytest.raises(error, match=text) as raised:
        ask(client)
    assert error is GraftError or raised.type is error


def test_client_api_key_by_argument_or_environment(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    http = serving(api_key="secret")
    with pytest.raises(Unauthorized):
        Client(http=http).models()
    assert Client(http=http, api_key="secret").models() == ["tiny"]
    monkeypatch.setenv("GRAFT_API_KEY", "secret")
    assert Client(http=http).models() == ["tiny"]


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://x", ""])
def test_client_invalid_url_is_refused(url: str) -> None:
    with pytest.raises(BadRequest, match="Write it like"):
        Client(url)


def test_async_client_answers_like_the_client(models: Path, client: Client) -> None:
    async def story() -> None:
        app = create_app(Settings(models=models))
        http = httpx2.AsyncClient(transport=httpx2.ASGITransport(app))
        async with app.router.lifespan_context(app), AsyncClient(http=http, retries=1000) as same:
            images = [picture("red"), picture("blue")]
            assert await same.models() == ["tiny"]  # asked while the models were still being loaded
            assert await same.predict("tiny", images) == client.predict("tiny", images)
            assert await same.predict("tiny", RED) == client.predict("tiny", RED)
            np.testing.assert_array_equal(await same.embed("tiny", images), client.embed("tiny", images))
            np.testing.assert_array_equal(await same.embed("tiny", RED), client.embed("tiny", RED))
            assert await same.metadata("tiny") == client.metadata("tiny")
            with pytest.raises(UnknownModel):
                await same.predict("nobody", RED)

    asyncio.run(story())
