"""JSON and other bodies that are malformed, some by hand and many by chance."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from graft.errors import BadRequest, WrongContentType
from service.models.input_kinds import ImageKind
from service.routes.samples_from_body import parse_body
from tests.support.service.serving import Serving

PREDICT = "/v1/models/tiny:predict"


@pytest.fixture
def http(serving: Serving) -> TestClient:
    return serving(max_images=4)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "[]",
        "null",
        "{}",
        '{"instances": []}',
        '{"instances": {}}',
        '{"instances": "b64"}',
        '{"instances": [1]}',
        '{"instances": [null]}',
        '{"instances": [{}]}',
        '{"instances": [{"b64": 1}]}',
        '{"instances": [{"b64": "*"}]}',
        '{"instances": [{"b64": "AA"}]}',
        '{"instances": [{"b64": "\\u00e9"}]}',
        '{"instances": [{"b64": "AAAA", "more": 1}]}',
        '{"instances": [{"photo": {"b64": "AAAA"}}]}',
        '{"instances": [{"image": {"b64": "AAAA"}, "more": 1}]}',
        '{"instances": [{"b64": "AAAA"}], "inputs": [{"b64": "AAAA"}]}',
        '{"instances": [], "instances": [{"b64": "AAAA"}]}',
        '{"instances": [{"b64": "AAAA", "b64": "AAAA"}]}',
        '{"instances": [{"b64": "AAAA"}], "x": NaN}',
        '{"instances": [{"b64": "AAAA"}], "x": -Infinity}',
        '{"instances": [[[[0, 0, 256]]]]}',
        '{"instances": [[[[0, 0, -1]]]]}',
        '{"instances": [[[[0, 0, 0.5]]]]}',
        '{"instances": [[[[0, 0, NaN]]]]}',
        '{"instances": [[[[0, 0, 1e400]]]]}',
        '{"instances": [[[[true]]]]}',
        '{"instances": [[[[0, 0], [0]]]]}',
        '{"instances": [[["a"]]]}',
        '{"instances": [[]]}',
        '{"instances": [[[[' + "9" * 5000 + "]]]]}",
        '{"instances": ' + "[" * 30_000 + "]" * 30_000 + "}",
        '{"instances": ' + '{"image":' * 5000 + "1" + "}" * 5000 + "}",
        '{"instances": ' + "[[[" + "[" * 70 + "1" + "]" * 70 + "]]]}",
        json.dumps({"instances": [{"b64": "AAAA"}] * 5}),
        '{"inputs": {"image": 5}}',
        '{"inputs": {"a": [], "b": []}}',
        "\ufeff{}",
        "\ud800",
    ],
)
def test_malformed_json_body_is_400(http: TestClient, body: str) -> None:
    kind = {"Content-Type": "application/json"}
    answer = http.post(PREDICT, content=body.encode("utf-8", "surrogatepass"), headers=kind)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request"), answer.text


@pytest.mark.parametrize("shape", [[[[[0, 0, 0, 0]]]], [[[[0]]]], [[0, 0, 0]][0], [[[[[0, 0, 0]]]]]])
def test_image_array_of_another_shape_is_refused(http: TestClient, shape: Any) -> None:
    assert http.post(PREDICT, json={"instances": [shape]}).json()["code"] == "not_an_image"


KINDS = st.sampled_from(
    [
        "",
        "image/png",
        "application/json",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded",
        "text/plain",
    ]
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    KINDS,
    st.binary(max_size=200) | st.text(alphabet='{}[]",:0123456789b64instancesu -.eE\\', max_size=200).map(str.encode),
)
def test_fuzzed_image_body_is_samples_or_a_named_error(kind: str, body: bytes) -> None:
    try:
        _, samples = parse_body(kind, body, ImageKind("image"), 4)
    except (BadRequest, WrongContentType) as error:
        assert str(error)
    else:
        assert samples


@settings(max_examples=100, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["b64", "image", "x"]), inner),
    )
)
def test_fuzzed_image_instance_is_a_sample_or_a_named_error(value: Any) -> None:
    try:
        parse_body("application/json", json.dumps({"instances": [value]}).encode(), ImageKind("image"), 4)
    except BadRequest as error:
        assert str(error)
