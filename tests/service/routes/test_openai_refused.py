"""What `/v1/embeddings` must refuse, in OpenAI's words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import openai
import pytest
from starlette.testclient import TestClient

from graft.bundle.open_bundle import Bundle
from graft.inputs.open_input import BatchArrays
from graft.types import Float32Array
from service.models.engine import LoadedGraphs
from tests.support.fakes import FakeEngine
from tests.support.service.openai_requests import PATH
from tests.support.service.serving import Serving
from tests.support.text_fakes import MAX_TOKENS


@pytest.fixture
def http(serving: Serving, text_models: Path) -> TestClient:
    return serving(max_texts=4, max_tokens=40)


@pytest.mark.parametrize(
    ("changes", "status", "code", "param", "said"),
    [
        ({"model": "nobody"}, 404, "unknown_model", "model", "There are"),
        ({"model": "../topics"}, 404, "unknown_model", "model", "There are"),
        ({"model": None}, 400, "bad_request", "model", "GET /v1/models"),
        ({"model": 5}, 400, "bad_request", "model", "GET /v1/models"),
        ({"model": "tiny"}, 400, "bad_request", "model", "takes images"),
        ({"model": "pairs"}, 400, "bad_request", "model", "pairs of texts"),
        ({"input": None}, 400, "bad_request", "input", "list of token ids"),
        ({"input": []}, 400, "bad_request", "input", "empty"),
        ({"input": {}}, 400, "bad_request", "input", "list of token ids"),
        ({"input": 5}, 400, "bad_request", "input", "list of token ids"),
        ({"input": [1.5]}, 400, "bad_request", "input", "at 0"),
        ({"input": [True]}, 400, "bad_request", "input", "at 0"),
        ({"input": [1, "a"]}, 400, "bad_request", "input", "at 0"),
        ({"input": ["a", None]}, 400, "bad_request", "input", "at 1"),
        ({"input": [[5], [[5]]]}, 400, "bad_request", "input", "at 1"),
        ({"input": ["a"] * 5}, 400, "bad_request", "input", "at most 4 are allowed"),
        ({"input": ["the cat rose a dog fell"] * 4}, 200, None, None, ""),
        ({"input": ["good cat " * 20] * 3}, 400, "bad_request", "input", "48 tokens"),
        ({"input": ""}, 400, "not_text", "input", "the text is empty"),
        ({"input": ["a", " "]}, 400, "not_text", "input", "text 2 of 2"),
        ({"input": "\0"}, 400, "not_text", "input", "the text is empty"),
        ({"input": [[]]}, 400, "not_text", "input", "no token ids"),
        ({"input": [-1]}, 400, "not_text", "input", "outside the vocabulary"),
        ({"input": [10**30]}, 400, "not_text", "input", "outside the vocabulary"),
        ({"input": [[5], [9999]]}, 400, "not_text", "input", "text 2 of 2"),
        ({"input": [5, 3, 5]}, 400, "not_text", "input", "special"),
        ({"input": [2, 3]}, 400, "not_text", "input", "special"),
        ({"input": [5] * (MAX_TOKENS - 1)}, 413, "text_too_long", "input", "16"),
        ({"input": [5] * (MAX_TOKENS - 2)}, 200, None, None, ""),
        ({"input": "a" * (2 << 20)}, 413, "text_too_long", "input", "1,048,576"),
        ({"input": "a" * (17 << 20)}, 413, "body_too_large", None, "16,777,216"),
        ({"encoding_format": "hex"}, 400, "bad_request", "encoding_format", "base64"),
        ({"encoding_format": []}, 400, "bad_request", "encoding_format", "base64"),
        ({"encoding_format": None, "dimensions": None, "user": None}, 200, None, None, ""),
        ({"dimensions": 0}, 400, "bad_request", "dimensions", "from 1"),
        ({"dimensions": 7}, 400, "bad_request", "dimensions", "has 6"),
        ({"dimensions": 10**30}, 400, "bad_request", "dimensions", "has 6"),
        ({"dimensions": True}, 400, "bad_request", "dimensions", "from 1"),
        ({"dimensions": 2.0}, 400, "bad_request", "dimensions", "from 1"),
        ({"truncate": "END"}, 400, "bad_request", "truncate", "Allowed are"),
    ],
)
def test_openai_invalid_request_gets_an_openai_error(
    http: TestClient, changes: dict[str, Any], status: int, code: str | None, param: str | None, said: str
) -> None:
    answer = http.post(PATH, json={"model": "topics", "input": "the cat"} | changes)
    assert answer.status_code == status, answer.text
    if status == 200:
        return
    assert list(answer.json()) == ["error"]
    error = answer.json()["error"]
    assert (error["code"], error["param"], error["type"]) == (code, param, "invalid_request_error")
    assert said in error["message"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "bad_request"),
        (b"{", "bad_request"),
        (b"[]", "bad_request"),
        (b'{"model": "topics", "input": [NaN]}', "bad_request"),
        (b'{"model": "topics", "input": [1e400]}', "bad_request"),
        (b'{"model": "topics", "input": "cat \\ud800"}', "not_text"),
        (b'{"model": "topics", "input": ' + b"[" * 50_000 + b"]" * 50_000 + b"}", "bad_request"),
        (b'{"model": "topics", "input": [' + b"9" * 5000 + b"]}", "bad_request"),
        (b'{"model": "topics", "model": "topics", "input": "cat"}', "bad_request"),
    ],
)
def test_openai_malformed_json_is_400(http: TestClient, body: bytes, code: str) -> None:
    answer = http.post(PATH, content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code), answer.text


def test_openai_errors_405_and_415_have_the_openai_envelope(http: TestClient) -> None:
    answers = [
        http.get(PATH),
        http.post(PATH, content="the cat", headers={"Content-Type": "text/plain"}),
        http.post(PATH, content=b"x", headers={"Content-Type": "application/json", "Content-Encoding": "gzip"}),
    ]
    assert [one.status_code for one in answers] == [405, 415, 415]
    assert all(set(one.json()["error"]) == {"message", "type", "param", "code"} for one in answers)


def test_openai_overload_is_a_rate_limit_error_429(http: TestClient) -> None:
    client = openai.OpenAI(base_url="http://testserver/v1", api_key="none", http_client=http, max_retries=0)
    service = http.app.state.service  # type: ignore[attr-defined]
    with service.admission.admit(10**6), pytest.raises(openai.RateLimitError) as raised:
        client.embeddings.create(model="topics", input="cat")
    assert (raised.value.code, raised.value.type) == ("overloaded", "rate_limit_exceeded")
    assert raised.value.response.headers["retry-after"] == "1"


def test_openai_non_finite_embedding_is_500(serving: Serving, text_models: Path) -> None:
    http = serving(NotFinite())
    answer = http.post(PATH, json={"model": "topics", "input": "price 9"})
    assert (answer.status_code, answer.json()["error"]["type"]) == (500, "server_error")


class NotFinite(FakeEngine):
    """A trunk that says NaN to whatever is no golden sample."""

    def open(self, bundle: Bundle) -> LoadedGraphs:
        good = super().open(bundle)

        def trunk(arrays: BatchArrays) -> Float32Array:
            features = good.trunk(arrays)
            return np.where((features == 1).all(axis=1, keepdims=True), np.float32("nan"), features)

        return LoadedGraphs(trunk, good.head)
