"""Samples and tokens per request: the same limit and the same words on every route."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from graft.errors import BadRequest
from service.limits.samples_per_request import check_sample_count, check_token_count
from tests.support.fakes import SIZE, picture
from tests.support.service.infer_requests import tensor
from tests.support.service.serving import Serving

IMAGES = np.zeros((3, SIZE, SIZE, 3), np.uint8)


@pytest.fixture
def http(serving: Serving, text_models: Path) -> TestClient:
    return serving(max_images=2, max_texts=2, max_tokens=9)


@pytest.mark.parametrize(
    ("path", "arguments"),
    [
        ("/v1/models/tiny:predict", {"files": [("image", picture())] * 3}),
        ("/v1/models/tiny:embed", {"files": [("image", picture())] * 3}),
        ("/v1/models/tiny:predict", {"json": {"instances": IMAGES.tolist()}}),
        ("/v1/models/topics:predict", {"json": {"inputs": ["a", "b", "c"]}}),
        ("/v1/embeddings", {"json": {"model": "topics", "input": ["a", "b", "c"]}}),
        ("/v2/models/tiny/infer", {"json": {"inputs": [tensor("image", IMAGES)]}}),
    ],
)
def test_too_many_samples_in_one_request_are_refused(http: TestClient, path: str, arguments: dict[str, Any]) -> None:
    answer = http.post(path, **arguments)
    assert answer.status_code == 400
    assert "at most 2 are allowed. Send several requests." in answer.text


def test_too_many_tokens_in_one_request_are_refused(http: TestClient) -> None:
    answer = http.post("/v1/embeddings", json={"model": "topics", "input": ["the cat rose"] * 2})
    assert answer.status_code == 400
    assert "has 10 tokens; at most 9 are allowed. Send several requests." in answer.text


def test_limits_themselves_are_allowed() -> None:
    check_sample_count(2, 2, "'input'")
    check_token_count(9, 9)
    with pytest.raises(BadRequest, match=r"^'input' has 3 inputs; at most 2 are allowed"):
        check_sample_count(3, 2, "'input'", "inputs")
