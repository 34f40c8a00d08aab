"""The real `openai` client against the real application."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import openai
import pytest
from starlette.testclient import TestClient

from service.routes.openai import EmbeddingsRequest
from tests.support.service.server_process import Running, running
from tests.support.service.serving import Serving
from tests.support.text_fakes import MAX_TOKENS, tiny_text_input

TEXTS = ["the cat rose", "a bad fish", "good dog " * 30]


@pytest.fixture
def http(serving: Serving, text_models: Path) -> TestClient:
    return serving(max_texts=4, max_tokens=40)


@pytest.fixture
def client(http: TestClient) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url="http://testserver/v1", api_key="none", http_client=http, max_retries=0) as client:
        yield client


def native(http: TestClient, text: str) -> np.ndarray:
    """What `:embed` says, scaled to length 1."""
    row = np.array(http.post("/v1/models/topics:embed", json={"instances": [text]}).json()["embeddings"][0])
    return row / np.linalg.norm(row)


def test_openai_client_against_a_real_server(text_models: Path) -> None:
    with running(text_models, GRAFT_API_KEY="secret") as server:
        client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="secret")
        answer = client.embeddings.create(model="topics", input=TEXTS)  # base64, unless told otherwise
        assert [one.index for one in answer.data] == [0, 1, 2]
        assert all(np.linalg.norm(one.embedding) == pytest.approx(1, abs=1e-6) for one in answer.data)
        assert "topics" in [one.id for one in client.models.list()]
        with pytest.raises(openai.AuthenticationError, match="API key"):
            openai.OpenAI(base_url=f"{server.url}/v1", api_key="wrong").embeddings.create(model="topics", input="cat")
        assert_it_says_which_fields_are_wrong(server, client)


def assert_it_says_which_fields_are_wrong(server: Running, client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        client.embeddings.create(model="topics", input="cat", dimensions=99)
    assert (raised.value.param, raised.value.code, raised.value.type) == (
        "dimensions",
        "bad_request",
        "invalid_request_error",
    )


def test_openai_float_and_base64_embeddings_equal_embed(http: TestClient, client: openai.OpenAI) -> None:
    for encoding in ("float", "base64"):
        answer = client.embeddings.create(model="topics", input=TEXTS, encoding_format=encoding)  # type: ignore[arg-type]
        rows = [
            np.frombuffer(base64.b64decode(one.embedding), "<f4") if isinstance(one.embedding, str) else one.embedding
            for one in answer.data
        ]
        np.testing.assert_allclose(rows, [native(http, text) for text in TEXTS], atol=1e-6)
    assert np.shape(client.embeddings.create(model="topics", input=TEXTS).data[0].embedding) == (6,)


def test_openai_usage_counts_tokens(client: openai.OpenAI) -> None:
    lengths = [len(tiny_text_input()(text.encode())) for text in TEXTS]
    assert lengths[-1] == MAX_TOKENS  # the rest is cut
    answer = client.embeddings.create(model="topics", input=TEXTS)
    assert (answer.usage.prompt_tokens, answer.usage.total_tokens) == (sum(lengths), sum(lengths))
    assert (answer.model, answer.object) == ("topics", "list")


def test_openai_token_ids_with_and_without_special_tokens_equal_the_text(client: openai.OpenAI) -> None:
    whole = tiny_text_input()(TEXTS[0].encode()).tolist()
    text = client.embeddings.create(model="topics", input=TEXTS[0])
    for ids in (whole, whole[1:-1], [whole], [whole[1:-1]]):
        answer = client.embeddings.create(model="topics", input=ids)
        assert answer.data == text.data
        assert answer.usage == text.usage
    several = client.embeddings.create(model="topics", input=[whole, whole[1:-1]])
    np.testing.assert_allclose([one.embedding for one in several.data], [text.data[0].embedding] * 2, atol=1e-5)


def test_openai_dimensions_truncate_and_renormalize(client: openai.OpenAI) -> None:
    whole = np.array(client.embeddings.create(model="topics", input="a cat").data[0].embedding)
    cut = client.embeddings.create(model="topics", input="a cat", dimensions=3, user="somebody").data[0].embedding
    np.testing.assert_allclose(cut, whole[:3] / np.linalg.norm(whole[:3]), atol=1e-6)


def test_openai_embedding_is_the_same_alone_and_in_a_batch(client: openai.OpenAI) -> None:
    together = client.embeddings.create(model="headless", input=TEXTS).data
    alone = [client.embeddings.create(model="headless", input=text).data[0] for text in TEXTS]
    # Those that come together share a batch: equal within 1e-5.
    np.testing.assert_allclose([one.embedding for one in together], [one.embedding for one in alone], atol=1e-5)


def test_openai_models_list_has_creation_times(client: openai.OpenAI) -> None:
    listed = {one.id: one for one in client.models.list()}
    assert set(listed) == {"tiny", "topics", "pairs", "headless"}
    assert all(one.created > 1.7e9 and one.owned_by == "graft" for one in listed.values())


def test_openai_zero_vector_is_not_normalized() -> None:
    asked = EmbeddingsRequest.from_body(b'{"model": "m", "input": "a", "dimensions": 1}', 1)
    rows = asked.truncate_and_normalize(np.array([[0, 5], [3, 4], [1e-30, 0]], np.float32))
    np.testing.assert_array_equal(rows, np.float32([[0], [1], [1]]))
