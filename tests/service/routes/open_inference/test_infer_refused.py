"""What an infer request must not be: every refusal says what was due and what came."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from graft.errors import BadRequest, TextTooLong
from service.models.engine import OnnxEngine
from service.models.model import Model, open_model
from service.routes.open_inference.request import JSON_LENGTH_HEADER, InferRequest
from tests.support.fakes import SIZE, tiny_bundle
from tests.support.service.infer_requests import IDS, IMAGES, PATH, post, raw, tensor
from tests.support.service.serving import Serving
from tests.support.text_fakes import MAX_TOKENS, tiny_text_bundle

ONE = IMAGES[:1]
GOOD = tensor("image", ONE)
SIZE_OF_ONE = ONE.nbytes
VOCABULARY = 90
BIG = np.zeros((5, SIZE, SIZE, 3), np.uint8)


@pytest.fixture
def http(serving: Serving, text_models: Path) -> TestClient:
    return serving(max_images=4, max_texts=4, max_tokens=20)


def pixels(at: int, value: Any) -> dict[str, Any]:
    """A good input but for one number."""
    data = ONE.ravel().tolist()
    data[at] = value
    return GOOD | {"data": data}


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        (None, ["'inputs' must be a list, but is nothing"]),
        ({}, ["'inputs' must be a list, but is an object"]),
        ([], ["'image' missing", "UINT8 [-1, 8, 8, 3]"]),
        ([5], ["inputs[0] must be an object, but is 5"]),
        ([GOOD | {"name": "picture"}], ["'picture'", "'image'"]),
        ([GOOD | {"name": None}], ["named nothing", "'image'"]),
        ([GOOD | {"name": "x" * 999}], ["…"]),
        ([GOOD, GOOD], ["inputs[1]", "inputs[0]", "once"]),
        ([GOOD | {"datatype": "FP32"}], ["'FP32'", "UINT8 [-1, 8, 8, 3]"]),
        ([GOOD | {"datatype": 8}], ["datatype 8", "UINT8"]),
        ([GOOD | {"shape": [1, 8, 8]}], ["[1, 8, 8];", "[-1, 8, 8, 3]"]),
        ([GOOD | {"shape": [0, 8, 8, 3]}], ["[0, 8, 8, 3]", "1 or more"]),
        ([GOOD | {"shape": [-1, 8, 8, 3]}], ["[-1, 8, 8, 3]"]),
        ([GOOD | {"shape": [1, 8, 8, 4]}], ["[1, 8, 8, 4]"]),
        ([GOOD | {"shape": [1.0, 8, 8, 3]}], ["[1.0, 8, 8, 3]"]),
        ([GOOD | {"shape": [True, 8, 8, 3]}], ["[true, 8, 8, 3]"]),
        ([GOOD | {"shape": [2**63, 8, 8, 3]}], ["9,223,372,036,854,775,808 rows", "4"]),
        ([GOOD | {"shape": [1] * 999}], ["…]"]),
        ([GOOD | {"shape": 192}], ["shape must be a list, but is 192"]),
        ([GOOD | {"shape": [2, 8, 8, 3]}], ["192 numbers", "needs 384"]),
        ([tensor("image", BIG)], ["5 rows", "at most 4 are allowed"]),
        ([{k: v for k, v in GOOD.items() if k != "data"}], ["exactly one of 'data'"]),
        ([GOOD | {"parameters": {"binary_data_size": SIZE_OF_ONE}}], ["exactly one of 'data'"]),
        ([GOOD | {"parameters": 5}], ["inputs[0] 'image'.parameters must be an object"]),
        ([raw("image", ONE)], ["0 bytes", "add up to 192", JSON_LENGTH_HEADER]),
        ([GOOD | {"data": "AAAA"}], ["'image'.data must be a list, but is 'AAAA'"]),
        ([GOOD | {"data": [0] * 193}], ["193 numbers", "needs 192"]),
        ([GOOD | {"data": []}], ["0 numbers", "needs 192"]),
        ([GOOD | {"data": [[[]]]}], ["0 numbers", "needs 192"]),
        ([pixels(7, 256)], ["inputs[0] 'image'.data has 256 at 7", "from 0 to 255"]),
        ([pixels(0, -1)], ["-1 at 0", "from 0 to 255"]),
        ([pixels(191, 1.5)], ["1.5 at 191", "without decimal point"]),
        ([pixels(9, 1.0)], ["1.0 at 9"]),
        ([pixels(9, True)], ["true at 9"]),
        ([pixels(9, None)], ["nothing at 9"]),
        ([pixels(9, "7")], ["'7' at 9"]),
        ([pixels(9, {})], ["an object at 9"]),
        ([pixels(9, 2**64 - 1)], ["18446744073709551615 at 9"]),
        ([pixels(9, [3])], ["not nested like the shape", "[1, 8, 8, 3]"]),
        ([GOOD | {"data": ONE.reshape(8, 24).tolist()}], ["not nested like the shape"]),
    ],
)
def test_infer_invalid_image_inputs_are_400(http: TestClient, inputs: Any, words: list[str]) -> None:
    answer = post(http, {"inputs": inputs})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request"), answer.text
    assert all(one in answer.json()["error"] for one in words), answer.text


def ids(**changes: list[list[int]]) -> list[dict[str, Any]]:
    arrays = {name: np.array(changes.get(name, array.tolist()), np.int32) for name, array in IDS.items()}
    return [tensor(name, array) for name, array in arrays.items()]


LONG = {name: [[1] * (MAX_TOKENS + 1)] for name in IDS}
MANY = {name: [[1] * 8] * 3 for name in IDS}


@pytest.mark.parametrize(
    ("inputs", "code", "words"),
    [
        (ids()[:1], "bad_request", ["'padding_mask' missing", "INT32 [-1, -1]"]),
        (ids(token_ids=[[5, 6, 7, 8]]), "bad_request", ["first axis", "'token_ids': 1", "'padding_mask': 2"]),
        (ids(token_ids=[[5], [6]]), "bad_request", ["same shape", "[2, 1]", "[2, 4]"]),
        (ids(**LONG), "text_too_long", ["17 tokens", "takes 16"]),
        (ids(**MANY), "bad_request", ["24 tokens", "at most 20"]),
        (ids(token_ids=[[2, 5, 6, 3], [2, 7, 9999, 0]]), "bad_request", ["'token_ids' has 9999 at [1, 2]", "0 to "]),
        (ids(token_ids=[[2, -5, 6, 3], [2, 7, 3, 0]]), "bad_request", ["'token_ids' has -5 at [0, 1]"]),
        (ids(padding_mask=[[1, 1, 1, 1], [1, 2, 1, 0]]), "bad_request", ["'padding_mask' has 2 at [1, 1]", "0 to 1"]),
        (ids(padding_mask=[[1, 1, 1, 1], [0, 0, 0, 0]]), "bad_request", ["in row 1", "no token"]),
        ([ids()[0] | {"data": [2**31] * 8}, ids()[1]], "bad_request", ["2147483648 at 0", "2,147,483,647"]),
    ],
)
def test_infer_invalid_text_inputs_are_refused(http: TestClient, inputs: Any, code: str, words: list[str]) -> None:
    answer = post(http, {"inputs": inputs}, path="/v2/models/topics/infer")
    assert answer.json()["code"] == code, answer.text
    assert all(one in answer.json()["error"] for one in words), answer.text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"id": 5}, "'id' must be a string, but is 5"),
        ({"outputs": {}}, "'outputs' must be a list"),
        ({"outputs": ["scores"]}, "outputs[0] must be an object"),
        ({"outputs": [{"name": "probs"}]}, "'features', 'scores'"),
        ({"outputs": [{"name": "scores"}] * 2}, "outputs[1]"),
        ({"outputs": [{"name": "scores", "parameters": {"binary_data": 1}}]}, "true or false, but is 1"),
        ({"outputs": [{"name": "scores", "parameters": {"classification": 2}}]}, "classification"),
        ({"parameters": {"binary_data_output": "yes"}}, "'yes'"),
        ({"parameters": []}, "the request.parameters must be an object"),
        ({str(number): number for number in range(100)}, "at most 64 are allowed"),
    ],
)
def test_infer_invalid_request_fields_are_400(http: TestClient, changes: dict[str, Any], words: str) -> None:
    answer = post(http, {"inputs": [GOOD]} | changes)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request"), answer.text
    assert words in answer.json()["error"]


DEEP = json.dumps({"inputs": [GOOD | {"data": 0}]}).replace("0}", "[" * 900 + "true" + "]" * 900 + "}")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "empty"),
        (b"{", "structure"),
        (b"[]", "must be an object"),
        (b'{"inputs": [NaN]}', "structure"),
        (b'{"inputs": [1e400]}', "too large"),
        (b'{"inputs": [' + b"9" * 30 + b"]}", "too large"),
        (b'{"inputs": ' + b"[" * 50_000 + b"]" * 50_000 + b"}", "deeply"),
        (b'{"id": "\\ud800", "inputs": []}', "surrogate"),
        (b'{"id": "\xff", "inputs": []}', "UTF-8"),
        (b'{"id": "a", "inputs": [], "id": "a"}', "'id' twice"),
        (b'{"inputs": [{"name": "image", "name": "image"}]}', "'name' twice"),
        (b'{"inputs": [{"name": "image", "datatype": "UINT8", "shape": [1, 8, 8, 3],'
         b' "parameters": {"a": 1, "a": 2}}]}', "'a' twice"),
        (json.dumps({"inputs": [GOOD]}).encode() + b"x", "structure"),
        (json.dumps({"inputs": [GOOD | {"data": [[[[[[0] * 192]]]]]}]}).encode(), "not nested like the shape"),
        (DEEP.encode(), "true at 0"),
    ],
)  # fmt: skip
def test_infer_malformed_json_is_400(http: TestClient, body: bytes, words: str) -> None:
    answer = http.post(PATH, content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request"), answer.text
    assert words in answer.json()["error"]


RAW = json.dumps({"inputs": [raw("image", ONE)]}).encode()


@pytest.mark.parametrize(
    ("body", "length", "words"),
    [
        (RAW + ONE.tobytes(), "x", "'x'"),
        (RAW + ONE.tobytes(), "-1", "'-1'"),
        (RAW + ONE.tobytes(), "9" * 5000, "number of bytes"),
        (RAW + ONE.tobytes(), "99999", "99,999 bytes"),
        (RAW + ONE.tobytes(), str(len(RAW) - 1), "structure"),
        (RAW + ONE.tobytes(), None, "UTF-8"),
        (RAW + ONE.tobytes()[:-1], str(len(RAW)), "191 bytes"),
        (RAW + ONE.tobytes() + b"x", str(len(RAW)), "193 bytes"),
        (RAW.replace(b": 192", b": 191") + ONE.tobytes(), str(len(RAW)), "binary_data_size' of 191"),
        (RAW.replace(b": 192", b": 193") + ONE.tobytes(), str(len(RAW)), "binary_data_size' of 193"),
        (RAW.replace(b": 192", b": 1.0") + ONE.tobytes(), str(len(RAW)), "binary_data_size' of 1.0"),
        (b"", "0", "empty"),
        (ONE.tobytes()[:-1], "0", "191 bytes; a row of 'image' [-1, 8, 8, 3] has 192"),
        (BIG.tobytes(), "0", "5 rows"),
    ],
)
def test_infer_malformed_binary_request_is_400(http: TestClient, body: bytes, length: str | None, words: str) -> None:
    answer = http.post(PATH, content=body, headers={} if length is None else {JSON_LENGTH_HEADER: length})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request"), answer.text
    assert words in answer.json()["error"]


def test_infer_single_raw_tensor_for_a_text_model_is_refused(http: TestClient) -> None:
    answer = http.post("/v2/models/topics/infer", content=b"abcd", headers={JSON_LENGTH_HEADER: "0"})
    assert "one input of fixed size" in answer.json()["error"]


def test_infer_other_content_types_are_415(http: TestClient) -> None:
    text = json.dumps({"inputs": [GOOD]})
    headers = [{"Content-Type": "image/png"}, {"Content-Type": "text/plain"}, {"Content-Encoding": "gzip"}]
    codes = [http.post(PATH, content=text, headers=one).json()["code"] for one in headers]
    assert codes == ["wrong_content_type"] * 3
    assert http.get(PATH).status_code == 405


def test_infer_bad_request_is_refused_before_admission(http: TestClient) -> None:
    service = http.app.state.service  # type: ignore[attr-defined]
    with service.admission.admit(10**6):
        assert post(http, {"inputs": [GOOD | {"datatype": "FP32"}]}).status_code == 400
        assert post(http, {"inputs": [GOOD]}).status_code == 429


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> tuple[Model, Model]:
    models = tmp_path_factory.mktemp("oip") / "models"
    tiny_bundle(models)
    tiny_text_bundle(models)
    engine = OnnxEngine()
    return open_model(models, "tiny", 1, engine), open_model(models, "topics", 1, engine)


SCALARS = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5)
JSON = st.recursive(SCALARS, lambda some: st.lists(some, max_size=4) | st.dictionaries(st.text(max_size=4), some))
NAMES = st.sampled_from(["image", "token_ids", "padding_mask", "scores"]) | JSON
SHAPES = st.lists(st.integers(-1, 9) | st.just(2**62), max_size=5) | JSON
TYPES = st.sampled_from(["UINT8", "INT32", "INT64", "FP32", "BYTES"]) | JSON
DATA = st.lists(st.integers(-2, 300), max_size=8) | JSON
INPUTS = st.fixed_dictionaries(
    {}, optional={"name": NAMES, "shape": SHAPES, "datatype": TYPES, "data": DATA, "parameters": JSON}
)
REQUESTS = st.fixed_dictionaries(
    {}, optional={"id": JSON, "inputs": st.lists(INPUTS, max_size=3) | JSON, "outputs": JSON, "parameters": JSON}
)


@settings(max_examples=400, deadline=None)
@given(facts=REQUESTS, blob=st.binary(max_size=16), declared=st.integers(-2, 2), which=st.integers(0, 1))
def test_infer_fuzzed_json_is_read_or_refused(
    opened: tuple[Model, Model], facts: dict[str, Any], blob: bytes, declared: int, which: int
) -> None:
    text = json.dumps(facts).encode()
    try:
        InferRequest.from_body(text + blob, str(max(0, len(text) + declared)), opened[which], 4, 20)
    except (BadRequest, TextTooLong) as fault:
        assert len(str(fault)) < 1000


@settings(max_examples=200, deadline=None)
@given(data=st.data(), rows=st.integers(1, 4), tokens=st.integers(1, 5))
def test_infer_fuzzed_valid_request_is_answered(
    opened: tuple[Model, Model], data: st.DataObject, rows: int, tokens: int
) -> None:
    kinds = {"token_ids": st.integers(-1, VOCABULARY), "padding_mask": st.integers(0, 1)}
    drawn = {
        name: np.array([[data.draw(kind) for _ in range(tokens)] for _ in range(rows)]) for name, kind in kinds.items()
    }
    facts = {"inputs": [tensor(name, array.astype(np.int32)) for name, array in drawn.items()]}
    try:
        asked = InferRequest.from_body(json.dumps(facts).encode(), None, opened[1], 4, 20)
    except BadRequest:
        ids, mask = drawn.values()
        assert ids.min() < 0 or ids.max() >= opened[1].inputs.vocabulary_size or not mask.any(axis=1).all()
    else:
        assert np.isfinite(opened[1].features(asked.arrays)).all()


@settings(max_examples=200, deadline=None)
@given(body=st.binary(max_size=64), length=st.none() | st.text(max_size=6))
def test_infer_fuzzed_bytes_are_refused(opened: tuple[Model, Model], body: bytes, length: str | None) -> None:
    with pytest.raises((BadRequest, TextTooLong)):
        InferRequest.from_body(body, length, opened[0], 4, 20)


@settings(max_examples=200, deadline=None)
@given(
    name=st.sampled_from(["image", "picture"]),
    shape=st.lists(st.sampled_from([-1, 0, 1, 3, 7, 8, 9]), min_size=3, max_size=5),
    datatype=st.sampled_from(["UINT8", "INT8", "INT32", "FP32"]),
    count=st.sampled_from([0, 191, 192, 193]),
)
def test_infer_refusal_names_expected_and_actual_tensor(
    opened: tuple[Model, Model], name: str, shape: list[int], datatype: str, count: int
) -> None:
    if (name, shape, datatype, count) == ("image", [1, 8, 8, 3], "UINT8", 192):
        return
    facts = {"inputs": [{"name": name, "shape": shape, "datatype": datatype, "data": [1] * count}]}
    with pytest.raises(BadRequest) as raised:
        InferRequest.from_body(json.dumps(facts).encode(), None, opened[0], 4, 20)
    pairs = [(repr(name), "'image'"), (datatype, "UINT8"), (str(shape), "[-1, 8, 8, 3]"), (f"{count:,} numbers", "192")]
    assert any(came in str(raised.value) and due in str(raised.value) for came, due in pairs)
