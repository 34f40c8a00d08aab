"""The clients and the command `predict` with texts and pairs of texts."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import numpy as np
import pytest
from click.testing import CliRunner, Result

from graft.errors import BadRequest, GraftError, InputError, NotAnImage, NotText, TextTooLong, UnknownModel
from service import AsyncClient, Client, Prediction
from service.cli import predict
from service.client import requests
from service.server.app import create_app
from service.settings import Settings
from tests.support.fakes import picture
from tests.support.service.server_process import running
from tests.support.service.serving import Serving
from tests.support.text_fakes import tiny_text_bundle
from tests.support.wait import until

TEXT = "the good cat rose"
PAIR = ("the cat", "a dog")


@pytest.fixture
def repository(models: Path) -> Path:
    tiny_text_bundle(models)
    tiny_text_bundle(models, "pairs", texts=2)
    for task in ("tag", "regress", "embed"):
        tiny_text_bundle(models, task, task=task)
    return models


@pytest.fixture
def client(serving: Serving, repository: Path) -> Client:
    return Client(http=serving())


def test_client_string_is_a_text_for_text_models_and_a_path_for_image_models(client: Client, tmp_path: Path) -> None:
    file = tmp_path / "letter.txt"
    file.write_text(TEXT)
    answers = [client.predict("topics", one) for one in (TEXT, TEXT.encode(), file)]
    assert answers == [answers[0]] * 3
    assert isinstance(answers[0], Prediction)
    assert client.predict("topics", str(file)) != answers[0]  # the path is a text as well
    (tmp_path / "red.png").write_bytes(picture("red"))
    assert client.predict("tiny", str(tmp_path / "red.png")) == client.predict("tiny", picture("red"))


def test_client_list_of_texts_is_answered_in_order(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "MAX_REQUEST_SAMPLES", 3)
    texts = [f"the {word} rose {number}" for number, word in enumerate(["cat", "dog", "fish", "price"] * 2)]
    for answer, text in zip(client.predict("topics", texts), texts, strict=True):
        alone = client.predict("topics", text)  # no batch: equal within 1e-5
        assert (answer.label, answer.probability) == (alone.label, pytest.approx(alone.probability, abs=1e-5))
    embedded = client.embed("embed", texts)
    assert (embedded.shape, embedded.dtype) == ((8, 6), np.float32)
    np.testing.assert_allclose(embedded, [client.embed("embed", text) for text in texts], atol=1e-5)


def test_client_pairs_of_texts(client: Client) -> None:
    one = client.predict("pairs", PAIR)
    first, _ = client.predict("pairs", [PAIR, PAIR[::-1]])
    assert (first.label, first.probability) == (one.label, pytest.approx(one.probability, abs=1e-5))
    assert client.predict("pairs", json.dumps(PAIR).encode()) == one


def test_client_asks_for_the_input_kind_only_once(repository: Path, serving: Serving) -> None:
    served, asked = serving(), []

    def passed_on(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.url.path)
        answer = served.request(
            request.method, request.url.raw_path.decode(), content=request.content, headers=request.headers
        )
        return httpx2.Response(answer.status_code, content=answer.content)

    with Client(http=httpx2.Client(transport=httpx2.MockTransport(passed_on))) as client:
        client.predict("topics", TEXT.encode())
        assert asked == ["/v1/models/topics:predict"]
        for _ in range(3):
            client.predict("topics", [TEXT, TEXT])
            client.embed("topics", TEXT)
    assert asked.count("/v1/models/topics/metadata") == 1
    assert asked.count("/v1/models/topics:embed") == 3


@pytest.mark.parametrize(
    ("ask", "error", "text"),
    [
        (lambda client: client.predict("topics", ""), NotText, "the text is empty"),
        (lambda client: client.predict("topics", " \0"), NotText, "the text is empty"),
        (lambda client: client.predict("topics", "cat \ud800"), NotText, "lone surrogate"),
        (lambda client: client.predict("topics", ["cat", ""]), NotText, "text 2 of 2"),
        (lambda client: client.predict("topics", b"caf\xe9"), NotText, "UTF-8"),
        (lambda client: client.predict("topics", "cat " * (1 << 19)), TextTooLong, "1,048,576"),
        (lambda client: client.predict("topics", PAIR), NotText, "single texts"),
        (lambda client: client.predict("topics", [TEXT, PAIR]), NotText, "single texts"),
        (lambda client: client.predict("topics", picture()), NotText, "PNG; the model takes a text"),
        (lambda client: client.predict("topics", np.zeros((4, 4), np.uint8)), NotText, "PNG; the model takes a text"),
        (lambda client: client.predict("topics", Path("missing.txt")), InputError, "cannot be read"),
        (lambda client: client.predict("pairs", TEXT), NotText, "pairs of texts"),
        (lambda client: client.predict("pairs", ("a", 1)), NotText, "pairs of texts"),
        (lambda client: client.predict("pairs", ("a", "b", "c")), NotText, "pairs of texts"),
        (lambda client: client.predict("pairs", ("", " ")), NotText, "the text is empty"),
        (lambda client: client.predict("tiny", PAIR), NotAnImage, "takes images"),
        (lambda client: client.predict("tiny", TEXT), InputError, "cannot be read"),
        (lambda client: client.predict("tiny", "a\0b"), InputError, "cannot be read"),
        (lambda client: client.predict("tiny", TEXT.encode()), NotAnImage, "are text"),
        (lambda client: client.predict("embed", TEXT), BadRequest, ":embed"),
        (lambda client: client.predict("nobody", TEXT), UnknownModel, "There are"),
    ],
)
def test_client_invalid_texts_are_refused(
    client: Client, ask: Callable[[Client], object], error: type[GraftError], text: str
) -> None:
    with pytest.raises(error, match=text):
        ask(client)


def test_async_client_texts_answer_like_the_client(repository: Path, client: Client) -> None:
    async def story() -> None:
        app = create_app(Settings(models=repository))
        http = httpx2.AsyncClient(transport=httpx2.ASGITransport(app))
        async with app.router.lifespan_context(app), AsyncClient(http=http, retries=1000) as same:
            assert await same.sample_kind("pairs") == client.sample_kind("pairs") == "pair"
            assert await same.predict("topics", [TEXT, "a dog"]) == client.predict("topics", [TEXT, "a dog"])
            assert await same.predict("pairs", PAIR) == client.predict("pairs", PAIR)
            assert await same.predict("regress", TEXT) == client.predict("regress", TEXT)
            np.testing.assert_array_equal(await same.embed("embed", TEXT), client.embed("embed", TEXT))
            with pytest.raises(NotText):
                await same.predict("topics", PAIR)

    asyncio.run(story())


@pytest.fixture
def run(repository: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., Result]]:
    """Run `predict` in `tmp_path` against a real server."""
    monkeypatch.chdir(tmp_path)
    with running(repository) as server:
        until(lambda: "ready: " in server.log)
        yield lambda *arguments: CliRunner().invoke(predict, [*arguments, "--url", server.url])


def test_predict_texts_and_text_files(run: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text(TEXT)
    shown = run("topics", TEXT, "letter.txt", "a dog " * 100)
    assert shown.exit_code == 0, shown.output
    typed, read, long = shown.output.splitlines()
    assert re.fullmatch(rf"{TEXT} +(\w+ [\d.]+% *){{3}}", typed)
    assert typed.removeprefix(TEXT).strip() == read.removeprefix("letter.txt").strip()
    assert "…" in long
    rows = json.loads(run("topics", TEXT, "letter.txt", "--json", "--top", "1").output)["predictions"]
    assert (rows[0].pop("text"), rows[1].pop("file")) == (TEXT, "letter.txt")
    assert rows[0] == rows[1]
    assert len(rows[0]["top"]) == 1


def test_predict_pairs_two_by_two(run: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text(PAIR[1])
    rows = json.loads(run("pairs", PAIR[0], "b.txt", *PAIR, "--json").output)["predictions"]
    assert rows[0] == rows[1]
    assert rows[0]["texts"] == list(PAIR)
    odd = run("pairs", "a", "b", "c")
    assert odd.exit_code == 2
    assert "two by two" in odd.output


def test_predict_prints_every_task(run: Callable[..., Result]) -> None:
    assert re.fullmatch(r"the cat  (no tag|(\w+ [\d.]+% *)+)\n", run("tag", "the cat").output)
    assert re.fullmatch(r"the cat  -?[\d.]+\n", run("regress", "the cat").output)
    (tagged,) = json.loads(run("tag", "the cat", "--json").output)["predictions"]
    assert set(tagged) == {"text", "tags", "top"}
    (valued,) = json.loads(run("regress", "the cat", "--json").output)["predictions"]
    assert set(valued) == {"text", "value"}
    assert isinstance(run("embed", "the cat").exception, BadRequest)


def test_predict_bad_text_does_not_stop_the_others(run: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    shown = run("topics", "the cat", "", "latin.txt")
    assert shown.exit_code == 1
    assert "2 of 3" in str(shown.exception)
    lines = shown.output.splitlines()
    assert "error: the text is empty" in lines[1]
    assert "error: these 4 bytes are not UTF-8" in lines[2]


def test_serve_ready_line_shows_an_example_request(tmp_path: Path) -> None:
    models = tmp_path / "models"
    tiny_text_bundle(models, "topics", task="embed")
    with running(models) as server:
        until(lambda: "ready: " in server.log)
        assert f"--data-binary 'a text' {server.url}/v1/models/topics:embed" in server.log
