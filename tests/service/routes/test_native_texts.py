"""Text models over HTTP: every way to ask."""

from __future__ import annotations

import gc
import json
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from graft.inputs.text import TextInput
from graft.runtime.session import open_session
from service.models.engine import OnnxEngine
from service.models.registry import ModelRegistry
from tests.support.service.serving import Serving
from tests.support.service.text_requests import EMBED, PREDICT, TEXT, post
from tests.support.text_fakes import tiny_text_input


@pytest.fixture
def http(serving: Serving, text_models: Path) -> TestClient:
    return serving(max_texts=4)


@pytest.mark.parametrize(
    "kind", ["text/plain", "text/plain; charset=utf-8", 'TEXT/PLAIN;format=flowed;Charset="UTF-8"', None]
)
def test_predict_text_body_with_any_content_type(http: TestClient, kind: str | None) -> None:
    answer = post(http, TEXT, kind)
    facts = answer.json()
    assert answer.status_code == 200, answer.text
    assert (facts["model"], facts["version"]) == ("topics", 1)
    (one,) = facts["predictions"]
    assert sum(candidate["probability"] for candidate in one["top"]) == pytest.approx(1)
    assert one["label"] == one["top"][0]["label"]


def test_embed_text_equals_the_trunks_features(http: TestClient, models: Path) -> None:
    inputs = tiny_text_input()
    trunk = open_session(models / "topics" / "1" / "trunk.onnx")
    expected = trunk.run(None, inputs.batch([inputs(TEXT.encode())]))[0]
    for path in (EMBED, "/v1/models/topics/versions/1:embed"):
        np.testing.assert_array_equal(np.float32(post(http, TEXT, path=path).json()["embeddings"]), expected)


@pytest.mark.parametrize(
    ("body", "key"),
    [
        ({"instances": [TEXT, "a dog"]}, "predictions"),
        ({"instances": [{"text": TEXT}, {"text": "a dog"}]}, "predictions"),
        ({"instances": [TEXT, {"text": "a dog"}], "signature_name": "serving_default"}, "predictions"),
        ({"inputs": [TEXT, "a dog"]}, "outputs"),
        ({"inputs": {"text": [TEXT, "a dog"]}}, "outputs"),
    ],
)
@pytest.mark.parametrize("path", [PREDICT, "/v1/models/topics/versions/1:predict"])
def test_predict_text_json_scores_are_the_same_alone_and_in_a_batch(
    http: TestClient, body: Any, key: str, path: str
) -> None:
    rows = http.post(path, json=body).json()[key]
    assert rows == [http.post(path, json={"inputs": text}).json()["outputs"][0] for text in (TEXT, "a dog")]


def test_predict_text_multipart_answers_in_order(http: TestClient) -> None:
    texts = [TEXT, "a dog", "bad fish price " * 9]
    together = http.post(PREDICT, files=[("text", text.encode()) for text in texts]).json()
    for answer, text in zip(together["predictions"], texts, strict=True):
        alone = post(http, text).json()["predictions"][0]
        assert (answer["label"], answer["probability"]) == (
            alone["label"],
            pytest.approx(alone["probability"], abs=1e-5),
        )
    embedded = http.post(EMBED, json={"instances": texts}).json()["embeddings"]
    alone = [post(http, text, path=EMBED).json()["embeddings"][0] for text in texts]
    np.testing.assert_allclose(embedded, alone, atol=1e-5)  # they shared a batch


def test_predict_pairs_are_two_texts_in_order(http: TestClient) -> None:
    pair = ["the cat", "a dog"]
    path = "/v1/models/pairs:predict"
    rows = [
        http.post(path, json={"instances": [pair]}).json()["predictions"][0],
        http.post(path, json={"instances": [{"text": pair}]}).json()["predictions"][0],
        http.post(path, json={"inputs": {"text": [pair]}}).json()["outputs"][0],
    ]
    assert rows == [rows[0]] * 3
    bare = post(http, json.dumps(pair), path=path).json()["predictions"][0]
    assert sorted(rows[0], reverse=True) == pytest.approx([one["probability"] for one in bare["top"]])


def test_nul_within_a_text_is_accepted(http: TestClient) -> None:
    assert post(http, "the \0good cat rose").json() == post(http, TEXT).json()


def test_metadata_says_what_a_text_model_takes(http: TestClient) -> None:
    facts = http.get("/v1/models/pairs/metadata").json()
    assert (facts["input"]["kind"], facts["input"]["texts"], facts["task"]) == ("text", 2, "classify")
    assert [one["name"] for one in facts["signature"]["inputs"]] == ["token_ids", "padding_mask"]


def test_tokenization_runs_off_the_event_loop(http: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: set[str] = set()
    tokenise = TextInput.__call__

    def spied(self: TextInput, data: bytes) -> Any:
        threads.add(threading.current_thread().name.split("-")[0])
        return tokenise(self, data)

    monkeypatch.setattr(TextInput, "__call__", spied)
    post(http, TEXT)
    http.post(PREDICT, json={"instances": [TEXT]})
    http.post("/v1/embeddings", json={"model": "topics", "input": TEXT})
    assert threads == {"graft"}


def test_tokenizer_is_shared_and_released_with_its_last_model(text_models: Path) -> None:
    served = ModelRegistry(text_models, OnnxEngine(), 1)
    served.refresh()
    assert served.get("topics").inputs is served.get("headless").inputs
    assert served.get("topics").inputs is not served.get("pairs").inputs
    shutil.rmtree(text_models / "topics")
    shutil.rmtree(text_models / "headless")
    served.refresh()
    gc.collect()
    assert list(served._input_cache._text_inputs.values()) == [served.get("pairs").inputs]
