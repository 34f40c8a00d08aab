"""Text models over HTTP: everything that must be refused, by hand and by chance."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from graft.errors import BadRequest, NotText, WrongContentType
from service.models.input_kinds import TextKind
from service.routes.samples_from_body import parse_body
from tests.support.fakes import picture
from tests.support.service.serving import Serving
from tests.support.service.text_requests import EMBED, PREDICT, TEXT, post

PLAIN = {"Content-Type": "text/plain"}


@pytest.fixture
def http(serving: Serving, text_models: Path) -> TestClient:
    return serving(max_texts=4)


@pytest.mark.parametrize(
    ("body", "status", "code", "said"),
    [
        pytest.param(b"", 400, "not_text", "the text is empty", id="empty"),
        pytest.param(b" \t\r\n\0\x01", 400, "not_text", "the text is empty", id="blank"),
        pytest.param(b"\0", 400, "not_text", "the text is empty", id="nul"),
        pytest.param(b"caf\xe9", 400, "not_text", "Save the text as UTF-8", id="latin-1"),
        pytest.param("the cat".encode("utf-16"), 400, "not_text", "Save the text as UTF-8", id="utf-16"),
        pytest.param(b"cat \xed\xa0\x80", 400, "not_text", "lone surrogate", id="surrogate"),
        pytest.param(picture(), 400, "not_text", "are PNG; the model takes a text", id="png"),
        pytest.param(picture(format="JPEG"), 400, "not_text", "are JPEG; the model takes a text", id="jpeg"),
        pytest.param(b"cat " * 2_500_000, 413, "text_too_long", "1,048,576", id="10-MB"),
        pytest.param(b"cat " * 5_000_000, 413, "body_too_large", "16,777,216", id="20-MB"),
    ],
)
def test_bad_text_is_refused_on_every_route(http: TestClient, body: bytes, status: int, code: str, said: str) -> None:
    answers = [post(http, body), post(http, body, "application/octet-stream"), post(http, body, path=EMBED)]
    if len(body) < 1 << 20:
        answers.append(http.post(PREDICT, files={"text": body}))
    assert [(one.status_code, one.json()["code"]) for one in answers] == [(status, code)] * len(answers)
    assert all(said in one.json()["error"] for one in answers)
    assert post(http, TEXT).status_code == 200


@pytest.mark.parametrize("kind", ["text/plain; charset=latin-1", "text/plain;charset=utf-16", "text/plain; charset=x"])
def test_other_charset_is_415(http: TestClient, kind: str) -> None:
    answer = post(http, TEXT, kind)
    assert (answer.status_code, answer.json()["code"]) == (415, "wrong_content_type")
    assert kind.split("=")[1] in answer.json()["error"]
    assert "UTF-8" in answer.json()["error"]


@pytest.mark.parametrize("kind", ["image/png", "text/html", "application/x-www-form-urlencoded", "text/plainer"])
def test_other_content_type_is_415_and_says_what_the_model_takes(http: TestClient, kind: str) -> None:
    answer = post(http, picture(), kind)
    assert (answer.status_code, answer.json()["code"]) == (415, "wrong_content_type")
    assert "the model takes texts" in answer.json()["error"]
    assert "--data-binary" in answer.json()["error"]


@pytest.mark.parametrize(
    ("send", "status", "said"),
    [
        ({"content": TEXT, "headers": PLAIN}, 415, "the model takes images"),
        ({"content": TEXT}, 400, "Allowed are JPEG"),
        ({"files": {"text": TEXT.encode()}}, 400, "Allowed are JPEG"),
        ({"json": {"instances": [TEXT]}}, 400, "is a text; the model takes images"),
        ({"json": {"instances": [["a", "b"]]}}, 400, "integers in 0–255"),
        ({"json": {"instances": [{"text": TEXT}]}}, 400, "'image'"),
    ],
)
def test_text_for_an_image_model_is_refused(http: TestClient, send: dict[str, Any], status: int, said: str) -> None:
    answer = http.post("/v1/models/tiny:predict", **send)
    assert answer.status_code == status
    assert said in answer.json()["error"]


BAD_INSTANCES = [
    ({"instances": [{"b64": "AAAA"}]}, "a file in base64"),
    ({"instances": [["a cat", "a dog"]]}, "is a pair of texts; the model takes a text"),
    ({"instances": [1]}, "instances[0] is 1"),
    ({"instances": ["a", None]}, "instances[1] is null"),
    ({"instances": [True]}, "is true"),
    ({"instances": [["a"]]}, "a list of 1"),
    ({"instances": [{}]}, "'text'"),
    ({"instances": [{"image": "a"}]}, "'text'"),
    ({"instances": [{"text": 5}]}, "is 5"),
    ({"instances": "a cat"}, "list of at least one text"),
    ({"instances": []}, "list of at least one text"),
    ({"instances": ["a"] * 5}, "at most 4 are allowed"),
    ({"inputs": {"token_ids": [[1]]}}, "'text'"),
    ({"inputs": 5}, "list"),
    ({"inputs": ["a"], "instances": ["a"]}, "exactly one"),
    ({"text": "a"}, "exactly one"),
]


@pytest.mark.parametrize(("body", "said"), BAD_INSTANCES)
def test_bad_text_instances_are_400(http: TestClient, body: Any, said: str) -> None:
    answer = http.post(PREDICT, json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request"), answer.text
    assert said in answer.json()["error"]


@pytest.mark.parametrize("one", ["a cat", ["a cat"], ["a", "b", "c"], ["a", 1], {"text": "a cat"}])
def test_single_text_for_a_pair_model_is_400(http: TestClient, one: Any) -> None:
    answer = http.post("/v1/models/pairs:predict", json={"instances": [one]})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert "takes a pair of texts" in answer.json()["error"]
    bare = post(http, json.dumps(one) if isinstance(one, list) else str(one), path="/v1/models/pairs:predict")
    assert (bare.status_code, bare.json()["code"]) == (400, "not_text")
    assert "takes pairs of texts" in bare.json()["error"]


@pytest.mark.parametrize(
    "body",
    [
        b'{"instances": ["cat \\ud800"]}',
        b'{"instances": ["cat \xed\xa0\x80"]}',
        b'{"instances": ["a", "\\udfff"]}',
        b'{"inputs": {"text": ["\\ud83d cat \\ude00"]}}',
    ],
)
def test_lone_surrogate_in_json_is_not_text(http: TestClient, body: bytes) -> None:
    answer = post(http, body, "application/json")
    assert (answer.status_code, answer.json()["code"]) == (400, "not_text"), answer.text
    assert "surrogate" in answer.json()["error"]
    assert "[0]" in answer.json()["error"] or "[1]" in answer.json()["error"]


def test_bad_text_in_a_batch_is_named_by_its_position(http: TestClient) -> None:
    answer = http.post(PREDICT, json={"instances": ["a cat", "", "a dog"]})
    assert (answer.status_code, answer.json()["code"]) == (400, "not_text")
    assert "text 2 of 3" in answer.json()["error"]


KINDS = st.sampled_from(
    ["", "text/plain", "text/plain; charset=x", "image/png", "application/json", "multipart/form-data; boundary=x"]
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    KINDS,
    st.binary(max_size=100) | st.text(alphabet='{}[]",:\\instancepud8 0', max_size=200).map(str.encode),
    st.booleans(),
)
def test_fuzzed_text_body_is_samples_or_a_named_error(kind: str, body: bytes, pairs: bool) -> None:
    try:
        _, samples = parse_body(kind, body, TextKind(2 if pairs else 1), 4)
    except (BadRequest, WrongContentType, NotText) as error:
        assert str(error)
    else:
        assert samples


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["b64", "text", "x"]), inner),
    )
)
def test_fuzzed_text_instance_is_a_sample_or_a_named_error(value: Any) -> None:
    for each in (1, 2):
        try:
            parse_body("application/json", json.dumps({"instances": [value]}).encode(), TextKind(each), 4)  # type: ignore[arg-type]
        except (BadRequest, NotText) as error:
            assert str(error)
