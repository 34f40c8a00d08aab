"""Every way to ask, over HTTP but without sockets."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest
from httpx2 import Response
from starlette.testclient import TestClient

from graft.inputs.image import ImageInput
from tests.support.fakes import FakeEngine, encode, picture
from tests.support.service.serving import Serving

PREDICT = "/v1/models/tiny:predict"
RED = picture("red")
B64 = {"b64": base64.b64encode(RED).decode()}
PIXELS = np.array([[[255, 0, 0]] * 20] * 16, np.uint8)


@pytest.fixture
def http(serving: Serving) -> TestClient:
    return serving()


def scores_of(answer: Response) -> list[float]:
    """The scores of the first image, in the order of the labels."""
    by_label = {one["label"]: one["probability"] for one in answer.json()["predictions"][0]["top"]}
    return [by_label[label] for label in ("red", "green", "blue")]


@pytest.mark.parametrize("kind", ["image/png", "image/jpeg", "application/octet-stream", "IMAGE/PNG; q=1", None])
def test_predict_image_body_with_any_content_type(http: TestClient, kind: str | None) -> None:
    answer = http.post(PREDICT, content=RED, headers={"Content-Type": kind} if kind else {})
    assert answer.status_code == 200
    facts = answer.json()
    assert (facts["model"], facts["version"], len(facts["predictions"])) == ("tiny", 1, 1)
    (prediction,) = facts["predictions"]
    assert prediction["top"][0] == {key: prediction[key] for key in ("label", "probability")}
    probabilities = [one["probability"] for one in prediction["top"]]
    assert probabilities == sorted(probabilities, reverse=True)
    assert sum(probabilities) == pytest.approx(1)


@pytest.mark.parametrize(("top", "shown"), [(1, 1), (2, 2), (100, 3)])
def test_top_k_is_capped_at_the_number_of_labels(http: TestClient, top: int, shown: int) -> None:
    assert len(http.post(f"{PREDICT}?top={top}", content=RED).json()["predictions"][0]["top"]) == shown


def test_predict_multipart_answers_in_order(http: TestClient) -> None:
    colors = [picture("red"), picture("blue"), picture("green")]
    together = http.post(PREDICT, files=[("image", (f"{at}.png", one)) for at, one in enumerate(colors)])
    alone = [http.post(PREDICT, content=one).json()["predictions"][0] for one in colors]
    assert together.json()["predictions"] == alone


@pytest.mark.parametrize(
    ("body", "key"),
    [
        ({"instances": [B64]}, "predictions"),
        ({"signature_name": "serving_default", "instances": [{"image": B64}]}, "predictions"),
        ({"instances": [PIXELS.tolist()]}, "predictions"),
        ({"instances": [{"image": PIXELS.tolist()}]}, "predictions"),
        ({"inputs": [B64]}, "outputs"),
        ({"inputs": B64}, "outputs"),
        ({"inputs": {"image": [B64]}}, "outputs"),
        ({"inputs": {"image": [PIXELS.tolist()]}}, "outputs"),
    ],
)
def test_predict_tensorflow_serving_json_gives_score_vectors(http: TestClient, body: Any, key: str) -> None:
    answer = http.post(PREDICT, json=body)
    assert answer.status_code == 200
    assert list(answer.json()) == [key]
    np.testing.assert_allclose(answer.json()[key], [scores_of(http.post(PREDICT, content=RED))], atol=1e-6)


def test_predict_json_with_curls_default_content_type(http: TestClient) -> None:
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = http.post(PREDICT, content=json.dumps({"instances": [B64, B64]}), headers=kind)
    assert len(answer.json()["predictions"]) == 2


def test_predict_version_in_the_path(http: TestClient) -> None:
    assert http.post("/v1/models/tiny/versions/1:predict", content=RED).json()["version"] == 1
    assert http.post("/v1/models/tiny/versions/2:predict", content=RED).json()["code"] == "unknown_version"


@pytest.mark.parametrize("path", ["/v1/models/tiny:embed", "/v1/models/tiny/versions/1:embed"])
def test_embed_gives_the_trunks_features(http: TestClient, path: str) -> None:
    bare, rows = http.post(path, content=RED), http.post(path, json={"instances": [B64, B64]})
    assert (bare.json()["model"], bare.json()["version"]) == ("tiny", 1)
    assert np.array(bare.json()["embeddings"]).shape == (1, 6)
    np.testing.assert_array_equal(rows.json()["embeddings"], bare.json()["embeddings"] * 2)


def test_served_image_decoding_equals_training(http: TestClient) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (31, 17, 3), np.uint8)
    bare = http.post("/v1/models/tiny:embed", content=encode(noise)).json()
    array = http.post("/v1/models/tiny:embed", json={"instances": [ImageInput(8)(encode(noise)).tolist()]}).json()
    np.testing.assert_array_equal(bare["embeddings"], array["embeddings"])


def test_models_status_and_metadata(http: TestClient) -> None:
    names = http.get("/v1/models").json()
    (card,) = names.pop("data")
    assert names == {"models": ["tiny"], "object": "list"}
    assert (card["id"], card["object"], card["owned_by"]) == ("tiny", "model", "graft")
    available = {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    status = {"name": "tiny", "ready": True, "model_version_status": [available]}
    assert http.get("/v1/models/tiny").json() == status
    assert http.get("/v1/models/tiny/versions/1").json() == status
    facts = http.get("/v1/models/tiny/metadata").json()
    assert facts == http.get("/v1/models/tiny/versions/1/metadata").json()
    assert facts["labels"] == ["red", "green", "blue"]
    assert facts["signature"]["inputs"] == [{"name": "image", "dtype": "uint8", "shape": [-1, 8, 8, 3]}]
    assert not {"data", "samples", "files"} & facts.keys()


def test_metrics_count_only_served_models(http: TestClient) -> None:
    http.post(PREDICT, content=RED)
    for _ in range(3):
        http.post("/v1/models/nobody-knows-it:predict", content=RED)
    text = http.get("/metrics").text
    for stage in ("request", "queue", "decode", "trunk", "head"):
        assert f'graft_{stage}_seconds_count{{model="tiny",version="1"}} 1.0' in text
    assert 'graft_errors_total{code="unknown_model"} 3.0' in text
    assert "graft_models 1.0" in text
    assert "nobody" not in text


def test_non_finite_scores_are_500(serving: Serving) -> None:
    http = serving(FakeEngine(scores=(float("nan"), 0.5, float("inf"))))
    bare = http.post(PREDICT, content=picture("gray"))
    rows = http.post(PREDICT, json={"instances": [[[[128, 128, 128]]]]})
    assert [(one.status_code, one.json()["code"]) for one in (bare, rows)] == [(500, "server_failed")] * 2
    assert http.post(PREDICT, content=RED).status_code == 200


def test_internal_error_reveals_no_details_to_the_client(serving: Serving, caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise RuntimeError("secret inside")

    answer = serving(FakeEngine(before=fail)).post(PREDICT, content=picture("gray"))
    assert (answer.status_code, answer.json()["code"]) == (500, "server_failed")
    assert "secret" not in answer.text
    assert "secret inside" in caplog.text


def test_probability_never_exceeds_one(serving: Serving) -> None:
    answer = serving(FakeEngine(scores=(1.0000002, 0, 0))).post(PREDICT, content=picture("gray")).json()
    assert answer["predictions"][0]["probability"] == 1
