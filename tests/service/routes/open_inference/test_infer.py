"""Tensors over the Open Inference Protocol: JSON, raw bytes, both at once."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from numpy.typing import NDArray
from starlette.testclient import TestClient

from graft.inputs.image import ImageInput
from service.routes.open_inference.request import JSON_LENGTH_HEADER
from tests.support.fakes import SIZE, WIDTH, picture, tiny_bundle
from tests.support.service.infer_requests import IDS, IMAGES, PATH, post, raw, tensor
from tests.support.service.serving import Serving
from tests.support.text_fakes import tiny_text_bundle, tiny_text_input


@pytest.fixture
def http(serving: Serving, text_models: Path) -> TestClient:
    return serving()


def outputs(answer: httpx2.Response) -> dict[str, NDArray[np.float32]]:
    """The arrays of an answer, whichever form each has."""
    assert answer.status_code == 200, answer.text
    end = int(answer.headers.get(JSON_LENGTH_HEADER, len(answer.content)))
    found = {}
    for facts in json.loads(answer.content[:end])["outputs"]:
        assert facts["datatype"] == "FP32"
        if "data" in facts:
            flat = np.array(facts["data"], np.float32)
        else:
            size = facts["parameters"]["binary_data_size"]
            flat, end = np.frombuffer(answer.content[end : end + size], "<f4"), end + size
        found[facts["name"]] = flat.reshape(facts["shape"])
    assert end == len(answer.content)
    return found


def test_infer_images_in_json(http: TestClient) -> None:
    answer = post(http, {"id": "42 é", "inputs": [tensor("image", IMAGES)], "parameters": {"priority": 1}})
    told = answer.json()
    assert answer.headers["content-type"] == "application/json"
    assert (told["model_name"], told["model_version"], told["id"]) == ("tiny", "1", "42 é")
    assert [(one["name"], one["shape"]) for one in told["outputs"]] == [("features", [2, WIDTH]), ("scores", [2, 3])]
    np.testing.assert_allclose(outputs(answer)["scores"].sum(axis=1), 1, atol=1e-5)


def test_infer_tensor_gets_the_same_answer_as_its_file(http: TestClient) -> None:
    file = picture("green")
    pixels = ImageInput(SIZE)(file)[None]
    instances = [{"b64": base64.b64encode(file).decode()}]
    predicted = http.post("/v1/models/tiny:predict", json={"instances": instances}).json()["predictions"]
    scores = outputs(post(http, {"inputs": [tensor("image", pixels)]}))["scores"]
    np.testing.assert_array_equal(scores, np.array(predicted, np.float32))


@pytest.mark.parametrize("data", [IMAGES.ravel().tolist(), IMAGES.tolist()], ids=["flat", "nested"])
def test_infer_json_binary_and_raw_bodies_are_bit_identical(http: TestClient, data: list[Any]) -> None:
    in_json = outputs(post(http, {"inputs": [tensor("image", IMAGES, data=data)]}))
    as_raw = outputs(
        post(http, {"inputs": [raw("image", IMAGES)], "parameters": {"binary_data_output": True}}, [IMAGES])
    )
    alone = outputs(http.post(PATH, content=IMAGES.tobytes(), headers={JSON_LENGTH_HEADER: "0"}))
    assert in_json.keys() == as_raw.keys() == alone.keys() == {"features", "scores"}
    for name, floats in in_json.items():
        assert floats.tobytes() == as_raw[name].tobytes() == alone[name].tobytes()


def test_infer_selects_outputs_and_their_format(http: TestClient) -> None:
    def ask(*wanted: dict[str, Any], **parameters: Any) -> httpx2.Response:
        return post(http, {"inputs": [tensor("image", IMAGES)], "outputs": wanted, "parameters": parameters})

    assert list(outputs(ask())) == ["features", "scores"]
    assert list(outputs(ask({"name": "scores"}))) == ["scores"]
    assert list(outputs(ask({"name": "scores"}, {"name": "features"}))) == ["scores", "features"]
    mixed = ask({"name": "scores", "parameters": {"binary_data": False}}, {"name": "features"}, binary_data_output=True)
    facts = json.loads(mixed.content[: int(mixed.headers[JSON_LENGTH_HEADER])])["outputs"]
    assert [set(one) & {"data", "parameters"} for one in facts] == [{"data"}, {"parameters"}]
    assert list(outputs(mixed)) == ["scores", "features"]
    in_json = ask({"name": "features", "parameters": {"binary_data": False, "mine": [1]}}, binary_data_output=True)
    assert JSON_LENGTH_HEADER not in in_json.headers
    assert "id" not in in_json.json()


def test_infer_texts_in_json_binary_and_mixed(http: TestClient) -> None:
    path = "/v2/models/topics/versions/1/infer"
    names = list(IDS)
    in_json = outputs(post(http, {"inputs": [tensor(name, IDS[name]) for name in names]}, path=path))
    as_raw = outputs(post(http, {"inputs": [raw(name, IDS[name]) for name in names]}, list(IDS.values()), path))
    mixed = {"inputs": [raw("padding_mask", IDS["padding_mask"]), tensor("token_ids", IDS["token_ids"])]}
    both = outputs(post(http, mixed, [IDS["padding_mask"]], path))
    for name, floats in in_json.items():
        assert floats.tobytes() == as_raw[name].tobytes() == both[name].tobytes()


def test_infer_token_ids_get_the_same_answer_as_their_text(http: TestClient) -> None:
    inputs = tiny_text_input()
    arrays = inputs.batch([inputs(b"the cat rose")])
    facts = {"inputs": [tensor(name, array) for name, array in arrays.items()]}
    features = outputs(post(http, facts, path="/v2/models/headless/infer"))["features"]
    embedded = http.post("/v1/models/headless:embed", json={"instances": ["the cat rose"]}).json()["embeddings"]
    np.testing.assert_allclose(features, embedded, rtol=1e-6)


def test_infer_headless_model_outputs_features_only(http: TestClient) -> None:
    facts = {"inputs": [tensor(name, array) for name, array in IDS.items()]}
    assert list(outputs(post(http, facts, path="/v2/models/headless/infer"))) == ["features"]


def test_infer_uses_the_newest_version_by_default(models: Path, serving: Serving) -> None:
    tiny_bundle(models, seed=5)
    http, facts = serving(), {"inputs": [tensor("image", IMAGES)]}
    versions = [post(http, facts, path=f"/v2/models/tiny{one}/infer").json() for one in ("", "/versions/1")]
    assert [one["model_version"] for one in versions] == ["2", "1"]
    assert post(http, facts, path="/v2/models/tiny/versions/9/infer").json()["code"] == "unknown_version"
    assert post(http, facts, path="/v2/models/nobody/infer").json()["code"] == "unknown_model"


def test_infer_large_response_is_encoded_on_a_thread(models: Path, serving: Serving) -> None:
    tiny_text_bundle(models, "topics")
    many = {name: np.repeat(array, 100, axis=0) for name, array in IDS.items()}
    found = outputs(post(serving(), {"inputs": [tensor(*one) for one in many.items()]}, path="/v2/models/topics/infer"))
    assert found["features"].shape == (200, WIDTH)
    assert (found["features"][0] == found["features"][1]).all()
    assert (found["features"][-1] != found["features"][0]).any()
